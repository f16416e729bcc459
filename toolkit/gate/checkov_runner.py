"""Runs inside checkov's own virtual environment: imports checkov, then waits for what to scan.

    python -I checkov_runner.py RULES_DIRECTORY

Importing checkov takes ten times as long as a scan, so the toolkit starts this while Terraform is still
planning. One line of JSON is read from standard input: `{"plan": {…}}` (what `terraform show -json` says),
`{"directory": "…"}` (source code) or `{}` (just what rules there are). One line of JSON is written: see
`_answer` and `_catalogue`. If standard input ends without a request, nobody wants an answer any more.

It calls checkov's runners as a library: checkov's command line would read configuration files and settings
of the user, which could switch rules off, and import the scanners of twenty other languages.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_SMALL_PLAN = {
    "format_version": "1.2",
    "terraform_version": "1.11.4",
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "address": "aws_s3_bucket.one",
                    "mode": "managed",
                    "type": "aws_s3_bucket",
                    "name": "one",
                    "values": {"bucket": "one"},
                }
            ]
        }
    },
    "resource_changes": [],
    "configuration": {"root_module": {"resources": []}},
}
_BROKEN_RULE = re.compile(r"Failed to run check (\S+) on ")


class Problems(logging.Handler):
    """What checkov only logs: rules that it could not load, rules that failed on a resource."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[dict[str, str | None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        message = record.getMessage().splitlines()[0]
        broken = _BROKEN_RULE.match(message)
        self.found.append({"rule": broken[1] if broken else None, "message": message})


def main(rules_directory: Path) -> None:
    """Answer one request."""
    answers = _claim_stdout()
    # Nothing of what an import makes becomes garbage; looking for it takes a third of the time.
    gc.disable()
    problems = Problems()
    logging.getLogger().addHandler(problems)
    # Otherwise a value that is known only after the apply looks as if it were not set.
    os.environ["EVAL_TF_PLAN_AFTER_UNKNOWN"] = "True"
    from checkov.terraform import plan_runner  # type: ignore[import-not-found]  # noqa: F401

    # checkov formats every debug message and keeps it in memory.
    logging.disable(logging.INFO)
    rules = _load(rules_directory, problems)
    _warm_up()
    gc.freeze()
    gc.enable()
    line = sys.stdin.readline()
    if line:
        request = json.loads(line)
        answer = _answer(request, rules, problems) if request else _catalogue(rules)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        # Taking all of checkov apart again takes a third as long as the scan, and somebody waits.
        os._exit(0)


def _warm_up() -> None:
    """Scan next to nothing: much of checkov is imported by its first scan only, and Terraform still plans."""
    _scan({"plan": _SMALL_PLAN}, [])


def _claim_stdout() -> TextIO:
    """Standard output for answers alone: checkov prints now and then."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _load(directory: Path, problems: Problems) -> list[dict[str, Any]]:
    """Load our rules and describe them; a file that gives none is a problem."""
    from checkov.common.checks_infra.registry import (  # type: ignore[import-not-found]
        get_graph_checks_registry,
    )
    from checkov.terraform.checks.resource.registry import (  # type: ignore[import-not-found]
        resource_registry,
    )

    files = _rule_files(directory)
    get_graph_checks_registry("terraform").load_checks()
    resource_registry.load_external_checks(str(directory))
    get_graph_checks_registry("terraform").load_external_checks(str(directory))
    in_python, in_yaml = _checks()
    described = [_python_rule(check) for check in in_python if _file_of(check) in files]
    described += [_yaml_rule(check) for check in in_yaml if Path(check.check_path) in files]
    # A rule that judges data sources too is registered twice.
    rules = {(rule["id"], rule["file"]): rule for rule in described}
    _complain(files, list(rules.values()), problems)
    return sorted(rules.values(), key=_order)


def _checks() -> tuple[list[Any], list[Any]]:
    """All rules for Terraform that are loaded: those in Python, those in YAML."""
    from checkov.common.checks.base_check_registry import (  # type: ignore[import-not-found]
        BaseCheckRegistry,
    )
    from checkov.common.checks_infra.registry import get_graph_checks_registry

    return BaseCheckRegistry.get_all_registered_checks(), get_graph_checks_registry("terraform").checks


def _order(rule: dict[str, Any]) -> tuple[int, int, str]:
    """By kind, then by number."""
    kind, _, number = rule["id"].rpartition("_")
    return len(kind), len(number), number


def _rule_files(directory: Path) -> set[Path]:
    return {
        file
        for file in directory.iterdir()
        if file.suffix in (".py", ".yaml", ".yml", ".json") and not file.name.startswith("_")
    }


def _file_of(check: Any) -> Path:
    return Path(inspect.getfile(type(check)))


def _complain(files: set[Path], rules: list[dict[str, Any]], problems: Problems) -> None:
    """Of files that gave no rule and of ids given twice: checkov passes over both in silence."""
    for file in sorted(files - {Path(rule["file"]) for rule in rules}):
        problems.found.append({"rule": file.stem, "message": f"checkov does not load {file.name}"})
    ids = [rule["id"] for rule in rules]
    for rule_id in sorted({each for each in ids if ids.count(each) > 1}):
        problems.found.append({"rule": rule_id, "message": f"several rules are called {rule_id}"})


def _python_rule(check: Any) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.name,
        "severity": str(check.severity),
        "reason": getattr(check, "reason", ""),
        "remedy": check.guideline or "",
        "resources": list(check.supported_entities),
        "replaces": list(getattr(check, "replaces", ())),
        "file": str(_file_of(check)),
    }


def _yaml_rule(check: Any) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    file = Path(check.check_path)
    metadata = yaml.safe_load(file.read_text(encoding="utf-8"))["metadata"]
    return {
        "id": check.id,
        "name": check.name,
        "severity": str(check.severity),
        "reason": metadata.get("reason", ""),
        "remedy": check.guideline or "",
        "resources": sorted(check.resource_types),
        "replaces": metadata.get("replaces", []),
        "file": str(file),
    }


def _catalogue(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Our rules, and the names of all rules by id."""
    return {"rules": rules, "names": {check.id: check.name for checks in _checks() for check in checks}}


def _answer(request: dict[str, Any], rules: list[dict[str, Any]], problems: Problems) -> dict[str, Any]:
    """What came out of a scan; toolkit/gate/scan.py reads it.

    `rules`: our rules; `findings`: what failed; `passed`: what passed our rules; `unreadable`: files that
    were not scanned; `resources`: how many were; `problems`: what went wrong with
    rules; `checkov`: its version.
    """
    from checkov.version import version  # type: ignore[import-not-found]

    skipped = [replaced for rule in rules for replaced in rule["replaces"]]
    ours = {rule["id"] for rule in rules}
    report = _scan(request, skipped)
    return {
        "checkov": version,
        "rules": rules,
        "findings": [_finding(record) for record in report.failed_checks],
        "passed": [
            [record.check_id, _address(record)] for record in report.passed_checks if record.check_id in ours
        ],
        "unreadable": sorted(map(str, report.parsing_errors)),
        "resources": len(report.resources),
        "problems": problems.found,
    }


def _scan(request: dict[str, Any], skipped: list[str]) -> Any:
    from checkov.runner_filter import RunnerFilter  # type: ignore[import-not-found]

    if "plan" in request:
        from checkov.terraform.plan_runner import Runner  # type: ignore[import-not-found]

        settings = RunnerFilter(framework=["terraform_plan"], skip_checks=skipped)
        with _file(request["plan"]) as path:
            return Runner().run(files=[path], runner_filter=settings)
    from checkov.terraform.runner import Runner as SourceRunner  # type: ignore[import-not-found]

    settings = RunnerFilter(framework=["terraform"], skip_checks=skipped, show_progress_bar=False)
    # Skip comments are the toolkit's work, for plans and source code alike.
    return SourceRunner().run(
        root_folder=request["directory"], runner_filter=settings, collect_skip_comments=False
    )


@contextlib.contextmanager
def _file(plan: dict[str, Any]) -> Iterator[str]:
    """A plan as a file, which is how checkov takes it; nobody else can read it, and it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="toolkit-policy-") as directory:
        path = Path(directory, "plan.json")
        path.write_text(json.dumps(plan), encoding="utf-8")
        yield str(path)


def _finding(record: Any) -> dict[str, Any]:
    """A failed check, without the code and values that checkov adds."""
    return {
        "rule": record.check_id,
        "name": record.check_name,
        "resource": _address(record),
        "file": record.file_abs_path,
        "lines": list(record.file_line_range),
        "details": list(record.details),
    }


def _address(record: Any) -> str:
    """A resource's address; in source code, checkov leaves out that it is a data source."""
    address = str(record.resource_address or record.resource)
    parts = address.split(".")
    is_data = record.code_block and record.code_block[0][1].lstrip().startswith("data ")
    return ".".join([*parts[:-2], "data", *parts[-2:]]) if is_data and "data" not in parts else address


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
