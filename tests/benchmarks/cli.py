"""The overhead of `toolkit apply` over bare Terraform, in one run on one machine.

    make bench-cli

Bare: `terraform apply -auto-approve` of the rendered, initialized inference stack, against the same
embedded cloud with staged weights. Toolkit: `toolkit apply`, which also renders, plans to a file,
verifies the endpoints and reconciles the keys. Both create everything, then both change nothing; each
figure is the median of the rounds, and the ratios are of medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.checkout import clean_environment, copy_checkout
from tests.support.toolkit import Toolkit
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import discover

# A round takes about 90 s; `make bench-cli ROUNDS=1` gives a first impression.
ROUNDS = int(os.environ.get("ROUNDS", "3"))
HELP_ROUNDS = 10
APPLY_AIM = 1.25
HELP_AIM_SECONDS = 0.3


def main() -> None:
    """Measure and print the results."""
    with tempfile.TemporaryDirectory() as directory:
        toolkit = Toolkit(copy_checkout(Path(directory) / "project"))
        try:
            _applies(toolkit)
        finally:
            toolkit.succeed("local", "down")
        _help(toolkit)


def _applies(toolkit: Toolkit) -> None:
    toolkit.succeed("apply", "--env", "local")
    outputs = json.loads(toolkit.succeed("outputs", "--env", "local", "--json"))
    bare = _bare_terraform(toolkit.project, outputs["region"], outputs["aws_endpoint_url"])
    commands: dict[str, Callable[[], object]] = {
        "terraform apply": lambda: bare("apply"),
        "toolkit apply": lambda: toolkit.succeed("apply", "--env", "local"),
    }
    create: dict[str, list[float]] = {name: [] for name in commands}
    unchanged: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(ROUNDS):
        for name, apply in commands.items():
            print(f"round {round_number + 1} of {ROUNDS}: {name}", file=sys.stderr)
            toolkit.succeed("destroy", "--env", "local", "--yes")
            create[name].append(_seconds(apply))
            unchanged[name].append(_seconds(apply))
    _report("create everything", create)
    _report("change nothing", unchanged)


def _bare_terraform(project: Path, region: str, endpoint_url: str) -> Callable[[str], None]:
    program = discover(Project(project), Console())
    build = project / "build" / "local"
    access = AwsAccess(region, "123456789012", endpoint_url, Toolkit(project).cloud.root_key)
    changes = access.process_environment()
    environment = {**clean_environment(), **{name: value for name, value in changes.items() if value}}
    environment["TF_DATA_DIR"] = str(build / "inference" / "terraform-data")

    def run(command: str) -> None:
        arguments = [*program.argv, f"-chdir={project}/terraform/stacks/inference", command, "-auto-approve"]
        arguments += [
            "-input=false",
            *(f"-var-file={build}/{name}" for name in ("inference.tfvars", "runtime.tfvars.json")),
        ]
        subprocess.run(arguments, env=environment, check=True, stdout=subprocess.DEVNULL)

    return run


def _help(toolkit: Toolkit) -> None:
    seconds = [_seconds(lambda: toolkit.succeed("--help")) for _ in range(HELP_ROUNDS)]
    median = statistics.median(seconds)
    print(f"toolkit --help: {median:.3f} s (aim ≤ {HELP_AIM_SECONDS})")


def _report(title: str, seconds: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = ", ".join(f"{name} {median:.2f} s" for name, median in medians.items())
    ratio = medians["toolkit apply"] / medians["terraform apply"]
    print(f"{title}: {figures}, ratio {ratio:.2f} (aim ≤ {APPLY_AIM})")


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
