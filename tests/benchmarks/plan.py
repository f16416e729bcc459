"""What `toolkit plan` costs, its gate included, against what people do by hand; in one run on one machine.

    make bench-plan

An environment that was applied is planned, and nothing changes. Script: `terraform init`, `plan -out`,
`show -json`, then checkov's command line on the result, with the same rules. Bare: `plan -out` and
`show -json` alone. All talk to the same embedded cloud; the contenders take turns, and the ratios are of
medians.
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

# Each takes about half a minute; `make bench-plan ROUNDS=1` for a first look.
ROUNDS = int(os.environ.get("ROUNDS", "5"))
AIMS = {"script": 0.70, "bare": 1.15}


def main() -> None:
    """Measure and print."""
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
    """Terraform and checkov as a script in a pipeline calls them."""

    def __init__(self, project: Project, region: str, endpoint_url: str) -> None:
        console = Console()
        self._project = project
        program = discover(project, console)
        self._terraform = program.argv
        self._checkov = tool_venvs.ensure(project, "checkov", console).python
        self._build = project.environment_build("local")
        access = AwsAccess(region=region, account_id="123456789012", endpoint_url=endpoint_url)
        changes = {name: value for name, value in access.process_environment().items() if value}
        # Providers from where the toolkit takes them, so that a machine without the registry can compare.
        places = providers.find(program, project.stack("inference"), cli_config.read_user_config(program))
        settings = cli_config.environment(program, places.mirrors, places.plugin_cache)
        data = {"TF_DATA_DIR": str(self._build / "by-hand"), "CHECKPOINT_DISABLE": "1"}
        self._environment = {**clean_environment(), **changes, **settings, **data}
        # Once, so that `bare` has what it needs.
        self._init()

    def script(self) -> None:
        """All of it; checkov's findings are no failure here."""
        self._init()
        plan = self.plan()
        rules = self._project.root / "policies" / "checkov"
        options = ["--framework", "terraform_plan", "--external-checks-dir", str(rules)]
        options += ["--skip-download", "--compact", "--quiet", "--soft-fail"]
        # As the program `checkov` does; its script names the folder that the environment was made in.
        start = "import sys; from checkov.main import Checkov; sys.exit(Checkov().run())"
        self._run(str(self._checkov), "-c", start, "--file", str(plan), *options)

    def plan(self) -> Path:
        """A plan, and what it says in JSON."""
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
