"""Runs inside checkov's own virtual environment: imports checkov, then waits for a scan request.

    python -I checkov_runner.py RULES_DIRECTORY…

Importing checkov takes ten times as long as a scan, so the toolkit starts this while Terraform is still
planning. It reads one line of JSON from standard input: `{"plan": {…}}` (output of `terraform show -json`),
`{"directory": "…"}` (source code) or `{}` (list the rules). It writes one line of JSON: see `_respond` and
`_catalogue`. If standard input ends without a request, it exits.

It calls checkov's runners as a library: checkov's command line would read the user's configuration files and
settings, which could disable rules, and import the scanners of twenty other languages.
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
import traceback
from collections.abc import Callable, Iterator
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
_NOT_LOADED = re.compile(r"Cannot load external check '(\S+)' from |Custom policy |Failed to parse check id ")


class Problems(logging.Handler):
    """Collects what checkov only logs: rules that failed to load or failed on a resource."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[dict[str, str | None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of a message."""
        message = record.getMessage().splitlines()[0]
        not_loaded = _NOT_LOADED.match(message)
        if not_loaded and not_loaded[1] and record.exc_info and record.exc_info[1]:
            message = _cannot_import(f"{not_loaded[1]}.py", record.exc_info[1])
        if not_loaded or record.levelno >= logging.ERROR:
            broken = _BROKEN_RULE.match(message)
            self.add(message, broken[1] if broken else None)

    def add(self, message: str, rule: str | None = None) -> None:
        """Record a problem."""
        self.messages.append({"rule": rule, "message": message})


def _cannot_import(name: str, error: BaseException) -> str:
    """The reason, with the line in the rule's file."""
    if isinstance(error, SyntaxError):
        return f"cannot load {Path(error.filename or name).name}:{error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == name]
    return f"cannot load {name}:{lines[-1] if lines else 1}: {error}"


def main(rules_directories: list[Path]) -> None:
    """Serve one request."""
    output = _claim_stdout()
    # Imports create no garbage; collecting it takes a third of their time.
    gc.disable()
    problems = Problems()
    logging.getLogger().addHandler(problems)
    # Otherwise checkov treats values that are known only after the apply as unset.
    os.environ["EVAL_TF_PLAN_AFTER_UNKNOWN"] = "True"
    # Otherwise it reads plans as YAML, which is slow and replaces values like `${file(x.yaml)}` by files.
    os.environ["CHECKOV_MAX_IAC_FILE_SIZE"] = "0"
    from checkov.terraform import plan_parser, plan_runner  # type: ignore[import-not-found]  # noqa: F401

    plan_parser._add_references = _keeping_nulls(plan_parser._add_references)
    # Otherwise checkov keeps every debug message in memory.
    logging.disable(logging.INFO)
    rules = _load(rules_directories, problems)
    _warm_up()
    gc.freeze()
    gc.enable()
    line = sys.stdin.readline()
    if line:
        request = json.loads(line)
        response = _respond(request, rules, problems) if request else _catalogue(rules)
        output.write(json.dumps(response) + "\n")
        output.flush()
        # Skip the interpreter's clean-up, which takes a third as long as the scan.
        os._exit(0)


def _keeping_nulls(add_references: Callable[..., None]) -> Callable[..., None]:
    """Keep known nulls: checkov replaces them by a reference in their expression, as if they were unknown.

    Terraform omits unknown arguments from planned values (`omitUnknowns` in command/jsonplan/values.go).
    """

    def add(obj: dict[str, Any], conf: dict[str, Any], return_resource: dict[str, Any]) -> None:
        add_references(obj=obj, conf=conf, return_resource=return_resource)
        return_resource.update({name: [None] for name in conf if name in obj and obj[name] is None})

    return add


def _warm_up() -> None:
    """Scan a tiny plan: checkov imports many of its modules only on the first scan."""
    _scan({"plan": _SMALL_PLAN}, [])


def _claim_stdout() -> TextIO:
    """Reserve standard output for the response: what checkov prints goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


def _load(directories: list[Path], problems: Problems) -> list[dict[str, Any]]:
    """Load and describe the project's rules; a file without a rule is a problem."""
    import yaml  # type: ignore[import-untyped]
    from checkov.common.checks_infra.registry import (  # type: ignore[import-not-found]
        get_graph_checks_registry,
    )
    from checkov.terraform.checks.resource.registry import (  # type: ignore[import-not-found]
        resource_registry,
    )

    files = set().union(*map(_rule_files, directories))
    get_graph_checks_registry("terraform").load_checks()
    for directory in directories:
        resource_registry.load_external_checks(str(directory))
    try:
        for directory in directories:
            get_graph_checks_registry("terraform").load_external_checks(str(directory))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problems.add(f"cannot load {Path(mark.name).name}:{mark.line + 1}: {error.problem}")
        return []
    in_python, in_yaml = _checks()
    descriptions = [_python_rule(check) for check in in_python if _file_of(check) in files]
    descriptions += [_yaml_rule(check) for check in in_yaml if Path(check.check_path) in files]
    # A rule for resources and data sources is registered twice.
    rules = {(rule["id"], rule["file"]): rule for rule in descriptions}
    _report_silent_failures(files, list(rules.values()), problems)
    return sorted((rule for rule in rules.values() if rule["severity"]), key=_order)


def _checks() -> tuple[list[Any], list[Any]]:
    """All loaded rules for Terraform: those in Python, those in YAML."""
    from checkov.common.checks.base_check_registry import (  # type: ignore[import-not-found]
        BaseCheckRegistry,
    )
    from checkov.common.checks_infra.registry import get_graph_checks_registry

    return BaseCheckRegistry.get_all_registered_checks(), get_graph_checks_registry("terraform").checks


def _order(rule: dict[str, Any]) -> tuple[int, int, str]:
    prefix, _, number = rule["id"].rpartition("_")
    return len(prefix), len(number), number


def _rule_files(directory: Path) -> set[Path]:
    return {
        file
        for file in directory.iterdir()
        if file.suffix in (".py", ".yaml", ".yml", ".json") and not file.name.startswith("_")
    }


def _file_of(check: Any) -> Path:
    return Path(inspect.getfile(type(check)))


def _report_silent_failures(files: set[Path], rules: list[dict[str, Any]], problems: Problems) -> None:
    """Report what checkov ignores silently: files without a rule, missing severities, duplicate ids."""
    reported = " ".join(str(problem["message"]) for problem in problems.messages)
    for file in sorted(files - {Path(rule["file"]) for rule in rules}):
        if file.name not in reported:
            problems.add(f"cannot load {file.name}: it contains no rule, or its id exists", file.stem)
    for rule in rules:
        if not rule["severity"]:
            problems.add(f"cannot load {Path(rule['file']).name}: {rule['id']} has no severity")
    ids = [rule["id"] for rule in rules]
    for rule_id in sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        problems.add(f"several rules have the id {rule_id}", rule_id)


def _python_rule(check: Any) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.name,
        "severity": str(check.severity or ""),
        "reason": getattr(check, "reason", ""),
        "remedy": check.guideline or "",
        "resources": list(check.supported_entities),
        "replaces": list(getattr(check, "replaces", ())),
        "file": str(_file_of(check)),
    }


def _yaml_rule(check: Any) -> dict[str, Any]:
    import yaml

    file = Path(check.check_path)
    metadata = yaml.safe_load(file.read_text(encoding="utf-8"))["metadata"]
    return {
        "id": check.id,
        "name": check.name,
        "severity": str(check.severity or ""),
        "reason": metadata.get("reason", ""),
        "remedy": check.guideline or "",
        "resources": sorted(check.resource_types),
        "replaces": metadata.get("replaces", []),
        "file": str(file),
    }


def _catalogue(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """The project's rules, and the names of all rules by id."""
    return {"rules": rules, "names": {check.id: check.name for checks in _checks() for check in checks}}


def _respond(request: dict[str, Any], rules: list[dict[str, Any]], problems: Problems) -> dict[str, Any]:
    """Scan, and return a response for toolkit/gate/scan.py.

    `rules`: the project's rules; `findings`: failed checks; `passed`: passed checks of the project's rules;
    `unreadable`: files that checkov cannot parse; `resources`: number of scanned resources; `problems`:
    failures of rules; `checkov`: its version.
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
        "problems": [[problem["rule"], problem["message"]] for problem in problems.messages],
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
    # The toolkit itself handles skip comments, for plans and source code alike.
    return SourceRunner().run(
        root_folder=request["directory"], runner_filter=settings, collect_skip_comments=False
    )


@contextlib.contextmanager
def _file(plan: dict[str, Any]) -> Iterator[str]:
    """Write a plan to a private temporary file, the only input that checkov accepts."""
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
    """A resource's address; for data sources in source code, checkov omits `data`."""
    address = str(record.resource_address or record.resource)
    parts = address.split(".")
    is_data = record.code_block and record.code_block[0][1].lstrip().startswith("data ")
    return ".".join([*parts[:-2], "data", *parts[-2:]]) if is_data and "data" not in parts else address


if __name__ == "__main__":
    main([Path(argument).resolve() for argument in sys.argv[1:]])
