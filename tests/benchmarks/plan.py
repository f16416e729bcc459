"""The duration of `toolkit plan`, policy check included, against a script and bare Terraform, in one run.

    make bench-plan

Each plans an applied environment without changes. Script: `terraform init`, `plan -out`, `show -json`, and
checkov on the result, with the same rules. Bare: `plan -out` and `show -json`. All use the same
embedded cloud and take turns; the ratios are those of medians.
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
from toolkit import tool_venvs
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import cli_config, discover, providers

# A round takes about 30 s; `make bench-plan ROUNDS=1` gives a first impression.
ROUNDS = int(os.environ.get("ROUNDS", "5"))
AIMS = {"script": 0.70, "bare": 1.15}


def main() -> None:
    """Measure and print the results."""
    with tempfile.TemporaryDirectory() as directory:
        toolkit = Toolkit(copy_checkout(Path(directory) / "project"))
        try:
            toolkit.succeed("apply", "--env", "local")
            outputs = json.loads(toolkit.succeed("outputs", "--env", "local", "--json"))
            by_hand = ByHand(Project(toolkit.project), outputs["region"], outputs["aws_endpoint_url"])
            _compare(
                {
                    "toolkit": lambda: toolkit.succeed("plan", "--env", "local"),
                    "script": by_hand.script,
                    "bare": by_hand.plan,
                }
            )
        finally:
            toolkit.succeed("local", "down")


class ByHand:
    """Run Terraform and checkov like a script in a CI pipeline."""

    def __init__(self, project: Project, region: str, endpoint_url: str) -> None:
        console = Console()
        self._project = project
        program = discover(project, console)
        self._terraform = program.argv
        self._checkov = tool_venvs.ensure(project, "checkov", console).python
        self._build = project.environment_build("local")
        access = AwsAccess(region=region, account_id="123456789012", endpoint_url=endpoint_url)
        changes = {name: value for name, value in access.process_environment().items() if value}
        # The same provider source as the toolkit, for machines that cannot reach the registry.
        places = providers.find(program, project.stack("inference"), cli_config.read_user_config(program))
        settings = cli_config.environment(program, places.mirrors, places.plugin_cache)
        data = {"TF_DATA_DIR": str(self._build / "by-hand"), "CHECKPOINT_DISABLE": "1"}
        self._environment = {**clean_environment(), **changes, **settings, **data}
        # Once, as preparation for `bare`.
        self._init()

    def script(self) -> None:
        """Run the whole script; findings of checkov are not a failure."""
        self._init()
        plan = self.plan()
        rules = self._project.root / "policies" / "checkov"
        options = ["--framework", "terraform_plan", "--external-checks-dir", str(rules)]
        options += ["--skip-download", "--compact", "--quiet", "--soft-fail"]
        # Like the program `checkov`, whose script contains the path of the original environment.
        start = "import sys; from checkov.main import Checkov; sys.exit(Checkov().run())"
        self._run(str(self._checkov), "-c", start, "--file", str(plan), *options)

    def plan(self) -> Path:
        """Plan, and print the plan as JSON."""
        saved, told = self._build / "by-hand.tfplan", self._build / "by-hand.json"
        variables = f"-var-file={self._build}/inference.tfvars"
        self._run(*self._here, "plan", "-input=false", f"-out={saved}", variables)
        told.write_text(self._run(*self._here, "show", "-json", str(saved)))
        return told

    @property
    def _here(self) -> tuple[str, ...]:
        return (*self._terraform, f"-chdir={self._project.stack('inference')}")

    def _init(self) -> None:
        backend = f"-backend-config={self._build}/inference.tfbackend"
        self._run(*self._here, "init", "-input=false", backend)

    def _run(self, *command: str) -> str:
        result = subprocess.run(
            command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True, cwd=self._build
        )
        return result.stdout


def _compare(contenders: dict[str, Callable[[], object]]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS):
        for name, run in contenders.items():
            print(f"round {number + 1} of {ROUNDS}: {name}", file=sys.stderr)
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(", ".join(f"{name} {median:.2f} s" for name, median in medians.items()))
    for name, aim in AIMS.items():
        print(f"toolkit plan / {name}: {medians['toolkit'] / medians[name]:.2f} (aim ≤ {aim})")


if __name__ == "__main__":
    main()
