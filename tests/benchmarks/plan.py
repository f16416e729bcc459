"""Time `toolkit plan`, policy check included, against Terraform and checkov by hand, on one machine.

    make bench-plan [ROUNDS=5] [MODELS=1,10,25,50]

First, a deployed environment is planned without changes. `script` runs `terraform init`, `plan -out`,
`show -json` and checkov's command line with the same rules; `bare` runs only `plan -out` and `show -json`.
Then environments with several new models are planned, and the slope per model is printed. All contenders use
the same embedded cloud and take turns; ratios are of medians. Processor time includes work that overlaps, but
not the embedded cloud's; unlike elapsed time, it is comparable on a busy machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.support.checkout import clean_environment, copy_checkout
from tests.support.toolkit import Toolkit
from toolkit import tool_venvs
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import cli_config, discover, providers

# A round takes about half a minute.
ROUNDS = int(os.environ.get("ROUNDS", "5"))
# Numbers of new models for the slope; empty skips it. 50 models take about a minute.
MODELS = [int(count) for count in os.environ.get("MODELS", "1,10,25,50").split(",") if count]
AIMS = {"script": 0.55, "bare": 1.05}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        toolkit = Toolkit(copy_checkout(Path(directory) / "project"))
        try:
            toolkit.succeed("apply", "--env", "local")
            outputs = json.loads(toolkit.succeed("outputs", "--env", "local", "--json"))
            address = outputs["region"], outputs["aws_endpoint_url"]
            by_hand = ByHand(Project(toolkit.project), "local", *address)
            _compare(
                {
                    "toolkit": lambda: toolkit.succeed("plan", "--env", "local"),
                    "script": by_hand.script,
                    "bare": by_hand.plan,
                }
            )
            _print_slope(toolkit, *address)
        finally:
            toolkit.succeed("local", "down")


class ByHand:
    """Terraform and checkov on a rendered environment, called like a script in a pipeline."""

    def __init__(self, project: Project, env: str, region: str, endpoint_url: str) -> None:
        console = Console()
        self._project = project
        program = discover(project, console)
        self._terraform = program.argv
        self._checkov = tool_venvs.ensure(project, "checkov", console).python
        self._build = project.environment_build(env)
        access = AwsAccess(region, "123456789012", endpoint_url, Toolkit(project.root).cloud.root_key)
        changes = {name: value for name, value in access.process_environment().items() if value}
        # The toolkit's provider sources, so that the benchmark works without the registry.
        sources = providers.find(program, project.stack("inference"), cli_config.read_user_config(program))
        settings = cli_config.environment(program, sources.mirrors, sources.plugin_cache)
        data = {"TF_DATA_DIR": str(self._build / "by-hand"), "CHECKPOINT_DISABLE": "1"}
        self._environment = {**clean_environment(), **changes, **settings, **data}
        # `bare` needs an initialized stack.
        self._init()

    def script(self) -> None:
        """All steps; findings of checkov do not fail."""
        self._init()
        plan = self.plan()
        rules = self._project.root / "policies" / "checkov"
        options = ["--framework", "terraform_plan", "--external-checks-dir", str(rules)]
        options += ["--skip-download", "--compact", "--quiet", "--soft-fail"]
        # Like the script `checkov`, whose first line has the temporary path of its installation.
        start = "import sys; from checkov.main import Checkov; sys.exit(Checkov().run())"
        self._run(str(self._checkov), "-c", start, "--file", str(plan), *options)

    def plan(self) -> Path:
        """Create a plan and its JSON."""
        plan_file, plan_json = self._build / "by-hand.tfplan", self._build / "by-hand.json"
        files = [self._build / "inference.tfvars", self._build / "runtime.tfvars.json"]
        variables = [f"-var-file={file}" for file in files if file.is_file()]
        self._run(*self._command, "plan", "-input=false", f"-out={plan_file}", *variables)
        plan_json.write_text(self._run(*self._command, "show", "-json", str(plan_file)))
        return plan_json

    @property
    def _command(self) -> tuple[str, ...]:
        return (*self._terraform, f"-chdir={self._project.stack('inference')}")

    def _init(self) -> None:
        backend = f"-backend-config={self._build}/inference.tfbackend"
        self._run(*self._command, "init", "-input=false", backend)

    def _run(self, *command: str) -> str:
        result = subprocess.run(
            command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True, cwd=self._build
        )
        return result.stdout


def _print_slope(toolkit: Toolkit, region: str, endpoint_url: str) -> None:
    """Plan environments with several new models, and print the least-squares slope of both contenders."""
    times: dict[str, list[Time]] = {"toolkit": [], "bare": []}
    for count in MODELS:
        name = f"models{count}"
        document = yaml.safe_load((toolkit.project / "terraform/environments/local.yaml").read_text())
        model = next(iter(document["models"].values()))
        document["models"] = {f"m{number}": model for number in range(count)}
        path = toolkit.project / "terraform/environments" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        # Once before, so that neither time includes `terraform init`.
        toolkit.succeed("plan", "--env", name)
        by_hand = ByHand(Project(toolkit.project), name, region, endpoint_url)
        times["toolkit"].append(_time(lambda: toolkit.succeed("plan", "--env", name)))  # noqa: B023
        times["bare"].append(_time(by_hand.plan))
        for kind in Time._fields:
            last = {who: getattr(measured[-1], kind) for who, measured in times.items()}
            print(f"{count} models, {kind} time: {_listed(last)}", flush=True)
    for kind in Time._fields if len(MODELS) > 1 else ():
        slopes = {
            who: statistics.linear_regression(MODELS, [getattr(time, kind) for time in measured]).slope
            for who, measured in times.items()
        }
        print(f"per model, {kind} time: {_listed(slopes)}")


class Time(NamedTuple):
    """Seconds of a run."""

    elapsed: float
    processor: float


def _time(run: Callable[[], object]) -> Time:
    started, before = time.perf_counter(), _processor_seconds()
    run()
    return Time(time.perf_counter() - started, _processor_seconds() - before)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _compare(commands: dict[str, Callable[[], object]]) -> None:
    times: dict[str, list[Time]] = {name: [] for name in commands}
    for number in range(ROUNDS):
        for name, run in commands.items():
            print(f"round {number + 1} of {ROUNDS}: {name}", file=sys.stderr)
            times[name].append(_time(run))
    for kind in Time._fields:
        medians = {
            name: statistics.median(getattr(time, kind) for time in measured)
            for name, measured in times.items()
        }
        print(f"{kind} time: {_listed(medians)}")
        for name, aim in AIMS.items():
            print(f"toolkit plan / {name}: {medians['toolkit'] / medians[name]:.2f} (aim ≤ {aim})")


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())


if __name__ == "__main__":
    main()
