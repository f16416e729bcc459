"""A plain embedded cloud to which changes are applied, as a deployer with the environment's policies."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.rehearsals.faults import BASE, Fault
from tests.support import apiclients
from tests.support.access import call
from tests.support.checkout import clean_environment, copy_checkout
from tests.support.cloud import Engine
from tests.support.deployers import ENV, REGION, Deployers
from tests.support.toolkit import Toolkit
from toolkit import documents
from toolkit.bench.targets import Api
from toolkit.rehearsal.load import DEFAULT_RATE, Load
from toolkit.rehearsal.results import Rehearsal

INSTANCE_TYPE = "ml.c7i.xlarge"
ENVIRONMENT = f"""\
target: local
name: llm
region: {REGION}
account: {{lifecycle_rules: false}}
policy: {{fail_at: high}}
models:
  m:
    serving: {{engine: llama_cpp}}
    source: {{server: "SERVER", {BASE}}}
    instance_type: {INSTANCE_TYPE}
    startup_timeout_seconds: 3600
    capacity: {{min: 2, max: 2}}
    rollout:
      {{strategy: canary, percent: 50, wait_seconds: 240, bake_seconds: 240, alarms: {{}}}}
"""


POLICY = "policies/iam/sagemaker-deployer.json.jinja"
# Exit codes of an apply that changed nothing: invalid input, a policy, the preflight.
_BEFORE = (2, 3, 4)


@dataclass(frozen=True)
class Result:
    """The end of a command.

    Attributes:
        exit_code: its exit code.
        output: what it printed.
        seconds: its duration.
    """

    exit_code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A fault, its rehearsal, and the later apply.

    Attributes:
        fault: the fault.
        rehearsal: its rehearsal, with the verdict's exit code.
        applied: the apply.
        failed: failed requests of the rehearsal and all of them, in words.
    """

    fault: Fault
    rehearsal: Result
    applied: Result
    failed: str

    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        agree = "yes" if self.rehearsal.exit_code == self.applied.exit_code else "NO"
        codes = (str(result.exit_code) for result in (self.rehearsal, self.applied))
        seconds = (f"{result.seconds:.0f} s" for result in (self.rehearsal, self.applied))
        return (self.fault.name, *codes, agree, self.failed, *seconds)

    def surprises(self) -> list[str]:
        """The output of commands that ended otherwise than the fault says."""
        return [
            f"{name} of {self.fault.name}, expected {self.fault.exit_code}: {result.output}"
            for name, result in (("rehearsal", self.rehearsal), ("apply", self.applied))
            if result.exit_code != self.fault.exit_code or self.fault.reason not in result.output
        ]


@dataclass
class Site:
    """The environment in a checkout, with the server of its releases.

    Attributes:
        deployers: its users.
        server: serves the new release as the fault says; the base is always healthy.
    """

    deployers: Deployers
    server: Engine = field(default_factory=Engine)

    @property
    def folder(self) -> Path:
        """The checkout."""
        return self.deployers.toolkit.project

    def declare(self, fault: Fault | None) -> None:
        """Write the environment file and the policies of the base, or of the change with a fault."""
        self.git("checkout", "--", POLICY)
        text = ENVIRONMENT
        if fault is not None:
            text = planted(text, fault.environment)
            policy = self.folder / POLICY
            policy.write_text(planted(policy.read_text(), fault.policy))
        text = text.replace("SERVER", self.server.url)
        (self.folder / "terraform" / "environments" / f"{ENV}.yaml").write_text(text)
        self.server.healthy = fault is None or fault.server != "silent"
        self.server.behaviour = _respond(fault.server if fault is not None else "healthy")

    def git(self, *arguments: str) -> None:
        """Run git in the checkout."""
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True, env=clean_environment())

    def apply(self, fault: Fault | None) -> Result:
        """Apply the base, or the change with a fault, with load on the API."""
        self.declare(fault)
        deployers = self.deployers
        # An administrator puts the policies into effect, if the file is valid.
        deployers.run("administrator", "bootstrap", "--env", ENV, "--yes")
        quota = 1000 if fault is None or fault.quota is None else fault.quota
        name = f"{INSTANCE_TYPE} for endpoint usage"
        settings = {"region": REGION, "service": "sagemaker", "name": name, "value": quota}
        call(deployers.toolkit.cloud, "/_toolkit/quotas", settings)
        with self._load() if fault is not None else nullcontext():
            began = time.monotonic()
            result = deployers.run("deployer", "apply", "--env", ENV, "--yes")
            seconds = time.monotonic() - began
        return Result(result.returncode, result.stdout + result.stderr, seconds)

    def rehearse(self, fault: Fault) -> tuple[Result, Rehearsal | None]:
        """Rehearse the change from the base, which is committed, without any credentials.

        Returns:
            The command's end with the verdict, and the rehearsal; None if it did not end.
        """
        self.declare(fault)
        options = [*fault.stand_in]
        options += [] if fault.quota is None else ["--quota", f"{INSTANCE_TYPE}={fault.quota}"]
        began = time.monotonic()
        result = self.deployers.toolkit("rehearse", "--env", ENV, "--from", "HEAD", "--json", *options)
        seconds = time.monotonic() - began
        output = result.stdout + result.stderr
        if not result.stdout:
            return Result(result.returncode, output, seconds), None
        rehearsal = documents.parse(result.stdout, Rehearsal)
        assert rehearsal.verdict.exit_code == result.returncode, output
        return Result(result.returncode, output, seconds), rehearsal

    def compare(self, fault: Fault) -> Comparison:
        """Rehearse a change and apply it, then return to the base."""
        rehearsed, rehearsal = self.rehearse(fault)
        applied = self.apply(fault)
        if applied.exit_code not in _BEFORE:
            base = self.apply(None)
            assert base.exit_code == 0, base.output
        requests = rehearsal.requests if rehearsal is not None else ()
        failed = sum(request.error is not None for request in requests)
        return Comparison(fault, rehearsed, applied, f"{failed} of {len(requests)}")

    @contextmanager
    def _load(self) -> Iterator[None]:
        load = Load({"m": self.api}, DEFAULT_RATE)
        load.start()
        try:
            yield
        finally:
            load.stop(0)

    @cached_property
    def api(self) -> Api:
        """The API of the base."""
        outputs = json.loads(self.deployers.succeed("viewer", "outputs", "--json"))
        key = self.deployers.succeed("operator", "keys", "show", "default").strip()
        return Api(outputs["api_base_url"], "m", {"authorization": f"Bearer {key}"})


def planted(text: str, replacements: Mapping[str, str]) -> str:
    """A text with replacements, each of which has an effect."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _respond(kind: str) -> Any:
    """The server of both releases; a fault concerns the change alone."""

    def respond(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        failing = kind == "failing" and request["body"]["model"] == "second"
        (apiclients.broken if failing else apiclients.echo_model_name)(handler, request)

    return respond


@contextmanager
def opened(directory: Path) -> Iterator[Site]:
    """Yield the applied base, and stop its cloud at the end."""
    deployers = Deployers(Toolkit(copy_checkout(directory / "project")), Engine())
    site = Site(deployers)
    site.git("init", "--quiet", "--initial-branch", "main")
    (site.folder / "terraform" / "environments" / f"{ENV}.yaml").write_text(
        ENVIRONMENT.replace("SERVER", site.server.url)
    )
    site.git("add", "--all")
    site.git("commit", "--quiet", "--message", "base")
    try:
        deployers.run("administrator", "local", "up")
        deployers.url = deployers.toolkit.cloud.endpoint_url
        deployers.succeed("administrator", "bootstrap", "--yes")
        for holder, names in (
            ("deployer", ("sagemaker-deployer", "api-deployer")),
            ("viewer", ("viewer",)),
            ("operator", ("viewer", "operator")),
        ):
            deployers.user(holder, names)
        deployers.enforce(True)
        applied = site.apply(None)
        assert applied.exit_code == 0, applied.output
        # Commands read it from an environment file that a fault may make invalid.
        assert site.api
        yield site
    finally:
        deployers.stop()
        site.server.stop()
