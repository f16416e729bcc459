"""Results of the proof for each policy: superfluous parts, and the commands that need each statement."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import proof
from tests.support.checkout import ROOT
from tests.support.deployers import HOLDERS, Deployers
from tests.support.proof import Decision, Document

# Written by `tests.tools.permissions`; the source of docs/reference/permissions.md.
FILE = ROOT / "tests" / "policies" / "iam" / "needed.json"
COMMAND = "run `python -m tests.tools.permissions`"

Needed = dict[str, dict[str, list[str]]]


def superfluous(deployers: Deployers, name: str) -> list[str]:
    """Return the parts of a policy whose removal changes the decision on none of its holders' requests."""
    decisions = _decisions(deployers, name)
    parts = proof.superfluous(name, deployers.document(name), combined_policies(deployers, name), decisions)
    return [str(part) for part in parts]


def combined_policies(deployers: Deployers, name: str) -> list[Document]:
    """Return the policies combined with a policy: an operator is also a viewer."""
    return [deployers.document("viewer")] if name == "operator" else []


def commands_by_statement(deployers: Deployers, name: str) -> dict[str, list[str]]:
    """Return the commands that each statement of a policy allows, or denies."""
    commands: dict[str, list[str]] = {}
    decisions = _decisions(deployers, name)
    for statement in deployers.document(name)["Statement"]:
        alone = {"Version": "2012-10-17", "Statement": [statement]}
        needing = {decision.command for decision in decisions if proof.decides(alone, decision)}
        commands[statement["Sid"]] = sorted(needing)
    return commands


def stored(file: Path = FILE) -> Needed:
    """Return the stored results that the documentation shows."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _decisions(deployers: Deployers, name: str) -> list[Decision]:
    holder = next(holder for holder, policies in HOLDERS.items() if name in policies)
    # A viewer can do all that a planner does.
    holders = {"planner", "viewer"} if name == "viewer" else {holder}
    return [
        decision
        for decision in deployers.decisions
        if decision.holder in holders and decision.principal.endswith(f":user/{decision.holder}")
    ]
