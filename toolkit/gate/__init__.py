"""Checks Terraform plans and code against the rules in policies/, with checkov.

with Gate(project, console, GateSettings(fail_at=Severity.HIGH)) as gate:   # returns at once
    plan = workspace.plan()                                                 # checkov starts in the meantime
    report = gate.check_plan(workspace.show(plan), stack=project.stack("inference"))
console.data(text.render(report))                                           # or sarif, junit, data
report.raise_for_violations()                                               # PolicyViolationError, exit 3
"""

from toolkit.gate.findings import Finding, Report
from toolkit.gate.gate import Gate
from toolkit.gate.rules import Severity
from toolkit.gate.settings import GateSettings, PolicyException

__all__ = ["Finding", "Gate", "GateSettings", "PolicyException", "Report", "Severity"]
