"""Run a rehearsal: deploy the base, plan and apply the change, and record what happens.

All commands run in child processes, in a folder with the files of the base and then of the change, with an
embedded cloud that belongs to the rehearsal. They get no variable with credentials of AWS.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import psutil

from toolkit import documents
from toolkit.aws.access import LOCAL_SETTINGS, AwsAccess
from toolkit.console import Console, Progress
from toolkit.cost.prices import Prices
from toolkit.deployment import account, outputs
from toolkit.deployment.context import Context, find_cloud
from toolkit.environment import Environment, load
from toolkit.errors import InterruptedByUserError, ToolkitError
from toolkit.iam import denials
from toolkit.local import client
from toolkit.processes import REHEARSAL, environment_without_secrets
from toolkit.project import Project
from toolkit.rehearsal import load as api_load
from toolkit.rehearsal import placeholders, revisions
from toolkit.rehearsal.fleet import Sampler
from toolkit.rehearsal.load import Load
from toolkit.rehearsal.results import DeniedAction, Instances, Rehearsal, Revision, Step, Verdict
from toolkit.report.rollout import Recording, Timeline
from toolkit.serving.stand_in import StandIn

DEPLOYER: Final = "deployer"
# The policies of those who plan and apply (docs/reference/permissions.md).
POLICIES: Final = ("sagemaker-deployer", "api-deployer")
# How long load is sent before the apply and after it.
_AROUND_SECONDS: Final = 2.0
_ERROR = re.compile(r"^error: (.*)\Z", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Options:
    """Choices of the user.

    Attributes:
        policies: deployer policies of the user that plans and applies.
        rate: requests per second on the API; 0 for none.
        stand_in: how the engines of the change behave.
        quotas: SageMaker's quotas by name.
        smoke_test: whether the apply ends with the smoke test.
    """

    policies: tuple[str, ...] = POLICIES
    rate: float = api_load.DEFAULT_RATE
    stand_in: StandIn = field(default_factory=StandIn)
    quotas: Mapping[str, float] = field(default_factory=dict)
    smoke_test: bool = False


def rehearse(project: Project, env: str, base: Revision, options: Options, console: Console) -> Rehearsal:
    """Deploy the base, then plan and apply the working tree, in a separate embedded cloud.

    Args:
        project: the repository.
        env: the environment.
        base: what is deployed first.
        options: what the user chose.
        console: shows the progress.

    Raises:
        ToolkitError: the rehearsal itself failed, not the change.
    """
    environment = load(project, env)
    folder = project.environment_build(env)
    folder.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="rehearsal-", dir=folder)).resolve()
    # They belong to another cloud. In that of the rehearsal, this command is the root user.
    for name in LOCAL_SETTINGS.values():
        os.environ.pop(name, None)
    stage = _Stage(project, Project(directory), environment, options, console)
    console.line(f"from {base} to {revisions.change_of(project)}")
    try:
        return stage.play(base)
    except KeyboardInterrupt:
        raise InterruptedByUserError("the rehearsal was interrupted; its embedded cloud is stopped") from None
    finally:
        with contextlib.suppress(ToolkitError):
            client.stop(stage.site, console)
        try:
            _keep_logs(stage.site, folder / "rehearsal")
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _keep_logs(site: Project, target: Path) -> None:
    """Keep the output of the commands and of the embedded cloud."""
    target.mkdir(exist_ok=True)
    # A step that this rehearsal did not reach must not seem to have run.
    for old in target.glob("*.log"):
        old.unlink(missing_ok=True)
    for log in (*site.build.glob("*.log"), site.local_cloud / "cloud.log"):
        if log.is_file():
            shutil.move(log, target / log.name)


class _FailedError(Exception):
    """A step of the change failed, which decides the verdict."""


@dataclass
class _Stage:
    """One rehearsal in progress.

    Attributes:
        project: the repository.
        site: the folder in which the commands run.
        environment: of the change.
        steps: commands that ended.
        marks: for each step, the number of the last decision of IAM before it.
    """

    project: Project
    site: Project
    environment: Environment
    options: Options
    console: Console
    steps: list[Step] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)
    _key: dict[str, str] = field(default_factory=dict)
    _decisions: list[client.Decision] = field(default_factory=list)

    def play(self, base: Revision) -> Rehearsal:
        env, options = self.environment.name, self.options
        rehearsal = Rehearsal(
            environment=env,
            region=self.environment.region,
            account_id=self.environment.account_id,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            base=base,
            change=revisions.change_of(self.project),
            time_scale=client.time_scale(),
            stand_in=options.stand_in,
            verdict=Verdict(0),
        )
        base = self._write_base(base)
        rehearsal = replace(rehearsal, base=base)
        self.site.build.mkdir(exist_ok=True)
        self._behave(StandIn())
        self._must("start", "local", "up")
        if base.kind != "nothing":
            self._prepare_account("account")
            placeholders.place(self._context())
            self._must("base", "apply", "--env", env, "--yes", key=self._key)
        for name, value in options.quotas.items():
            client.set_quota(find_cloud(self.site, env), self.environment.region, name, value)
        revisions.write_working_tree(self.project, self.site.root)
        self._prepare_account("account of the change")
        placeholders.place(self._context())
        self._behave(options.stand_in)
        load = None if base.kind == "nothing" else self._load()
        with load or contextlib.nullcontext():
            return self._change(rehearsal, load)

    def _write_base(self, base: Revision) -> Revision:
        """Write the files of the base; an environment that it does not have is not deployed."""
        if base.commit is not None:
            revisions.write_commit(self.project, base.commit, self.site.root)
            if self.site.environment_file(self.environment.name).is_file():
                return base
            base = Revision("nothing", f"nothing: {base.description} has no such environment", base.commit)
        revisions.write_working_tree(self.project, self.site.root)
        return base

    def _change(self, rehearsal: Rehearsal, load: Load | None) -> Rehearsal:
        env = self.environment.name
        verdict = Verdict(0)
        sampler = Sampler(self.site, self._access())
        zero, seconds = time.monotonic(), 0.0
        recording = Recording()
        if load is not None:
            time.sleep(_AROUND_SECONDS)
        try:
            self._must("plan", "plan", "--env", env, key=self._key, zero=zero)
            plan = self.site.environment_build(env) / "plan"
            file = self.site.build / "timelines.json"
            if plan.is_file():
                zero = time.monotonic()
                sampler.start()
                further = ["--plan", str(plan), "--yes", "--timeline", str(file)]
                further += ["--smoke-test"] * self.options.smoke_test
                try:
                    self._must("apply", "apply", "--env", env, key=self._key, zero=zero, further=further)
                finally:
                    seconds = time.monotonic() - zero
                    sampler.stop()
                    if file.is_file():
                        recording = documents.parse(file.read_bytes(), Recording)
        except _FailedError:
            step = self.steps[-1]
            verdict = Verdict(step.exit_code, step.name, step.error)
        if load is not None and seconds:
            time.sleep(_AROUND_SECONDS)
        self._collect("end")
        shift = (recording.start or zero) - zero
        return replace(
            rehearsal,
            verdict=verdict,
            steps=tuple(replace(step, start=step.start - zero) for step in self.steps),
            seconds=seconds,
            rollouts=sampler.rollouts(zero),
            timelines=tuple(_shifted(timeline, shift) for timeline in recording.timelines),
            denied=self._denied(),
            requests=() if load is None else load.stop(zero),
            skipped_requests=0 if load is None else load.skipped,
            instances=tuple(_priced(Prices.of(self.environment), item) for item in sampler.instances()),
        )

    def _load(self) -> Load | None:
        """Requests to the API that the base serves; None if it gets none."""
        if not self.options.rate:
            return None
        context = self._context()
        apis, refused = api_load.apis_of(context, outputs.read(context))
        for model, reason in refused.items():
            self.console.line(f"no load on {model}: {reason}")
        return Load(apis, self.options.rate) if apis else None

    def _prepare_account(self, name: str) -> None:
        """Let the administrator prepare the account, and give the deployer its policies."""
        if self.steps and self.steps[-1].name == "start":
            self._collect(name)
        begin = time.monotonic()
        context = self._context()
        # The provider would wait a minute for these rules, on which no environment depends.
        settings = context.environment.account.model_copy(update={"lifecycle_rules": False})
        environment = context.environment.model_copy(update={"account": settings})
        log = self.site.build / f"{name}.log"
        with self.console.progress(f"rehearsal, {name}"), log.open("w", encoding="utf-8") as output:
            console = Console(err=output, interactive=False)
            cloud = find_cloud(self.site, environment.name)
            account.ensure(
                replace(context, environment=environment, console=console, cloud_instance=cloud.instance_id)
            )
        shown = f"toolkit bootstrap --env {environment.name}"
        self.steps.append(Step(name, shown, begin, time.monotonic() - begin, 0))
        iam = self._access().iam
        if not self._key:
            iam.create_user(UserName=DEPLOYER)
            key = iam.create_access_key(UserName=DEPLOYER)["AccessKey"]
            self._key = {
                LOCAL_SETTINGS["AWS_ACCESS_KEY_ID"]: key["AccessKeyId"],
                LOCAL_SETTINGS["AWS_SECRET_ACCESS_KEY"]: key["SecretAccessKey"],
            }
        pages = iam.get_paginator("list_policies").paginate(Scope="Local")
        arns = {item["PolicyName"]: item["Arn"] for page in pages for item in page["Policies"]}
        for policy in self.options.policies:
            part = re.compile(rf"{re.escape(f'{self.environment.prefix}-{policy}')}(-\d+)?")
            for policy_name, arn in arns.items():
                if part.fullmatch(policy_name):
                    iam.attach_user_policy(UserName=DEPLOYER, PolicyArn=arn)

    def _must(
        self,
        name: str,
        *arguments: str,
        key: Mapping[str, str] | None = None,
        zero: float | None = None,
        further: Sequence[str] = (),
    ) -> None:
        """Run a command of the toolkit.

        Args:
            name: of the step.
            arguments: of the command.
            key: credentials; the root user's by default.
            zero: start of the change, whose failures are its verdict; None before.
            further: arguments that are not shown.

        Raises:
            ToolkitError: it failed, before the change.
            _FailedError: it failed, and belongs to the change.
        """
        shown = f"toolkit {' '.join(arguments)}"
        if name != "start":
            self._collect(name)
        begin = time.monotonic()
        log = self.site.build / f"{name}.log"
        with self.console.progress(f"rehearsal, {name}: {shown}") as progress, log.open("wb") as file:
            program = [sys.executable, "-P", "-m", "toolkit", *arguments, *further]
            code = _run(program, self.site.root, self._child_environment(key or {}), file, progress)
        printed = log.read_text(errors="replace")
        match = _ERROR.search(printed)
        error = match[1].rstrip() if match and code else ""
        # The user knows the paths of the repository, not those of the rehearsal's folder.
        error = error.replace(f"{self.site.root}{os.sep}", "")
        step = Step(name, shown, begin, time.monotonic() - begin, code, error)
        self.steps.append(step)
        if code == 0:
            return
        if zero is not None:
            raise _FailedError
        failure = ToolkitError(
            f"cannot rehearse {self.environment.name}: the step {name} failed, before the change",
            details=(error or printed[-2000:]).splitlines(),
            remedy="correct what is deployed, or name another version with --from",
        )
        failure.exit_code = code
        raise failure

    def _child_environment(self, key: Mapping[str, str]) -> dict[str, str]:
        removed = ("AWS_", "HF_", "TOOLKIT_LOCAL_ACCESS", "TOOLKIT_LOCAL_SECRET", "TOOLKIT_LOCAL_SESSION")
        inherited = {
            name: value
            for name, value in environment_without_secrets().items()
            if not name.startswith(removed)
        }
        return {
            **inherited,
            **key,
            "TOOLKIT_PROJECT": str(self.site.root),
            "TOOLKIT_LOCAL_ENFORCE_IAM": "1",
            "TOOLKIT_LOCAL_STAND_IN": str(self._stand_in_file),
            "MOTO_ACCOUNT_ID": self.environment.account_id,
            # The folder is in the repository, but its files are of another commit.
            "GIT_CEILING_DIRECTORIES": str(self.site.root.parent),
            "PYTHONUNBUFFERED": "1",
            REHEARSAL: "1",
        }

    @property
    def _stand_in_file(self) -> Path:
        return self.site.build / "stand-in.json"

    def _behave(self, stand_in: StandIn) -> None:
        """Set how containers behave that start from now on."""
        self._stand_in_file.write_text(json.dumps(asdict(stand_in)), encoding="utf-8")

    def _access(self) -> AwsAccess:
        """Access of the account's root."""
        cloud = find_cloud(self.site, self.environment.name)
        return AwsAccess(
            self.environment.region, self.environment.account_id, cloud.endpoint_url, cloud.root_key
        )

    def _context(self) -> Context:
        environment = load(self.site, self.environment.name)
        return Context(self.site, environment, self._access(), self.console, None)

    def _collect(self, name: str) -> None:
        """Read the decisions of IAM until now; later ones belong to the next step."""
        last = self._decisions[-1].number if self._decisions else 0
        self._decisions += client.decisions(self.site, last)
        self.marks.append((self._decisions[-1].number if self._decisions else 0, name))

    def _denied(self) -> tuple[DeniedAction, ...]:
        """The denied actions of the change."""
        first = next((mark for mark, name in self.marks if name == "plan"), 0)
        groups: dict[tuple[str, str, str], list[client.Decision]] = {}
        for decision in self._decisions:
            if not decision.allowed and decision.number > first:
                key = (decision.principal, decision.action, decision.resource)
                groups.setdefault(key, []).append(decision)
        return tuple(
            DeniedAction(
                *key,
                reason=group[0].reason,
                count=len(group),
                step=self._step_of(group[0].number),
                policies=tuple(denials.granted_by(self.site, key[1])),
            )
            for key, group in groups.items()
        )

    def _step_of(self, number: int) -> str:
        return [name for mark, name in self.marks if mark < number][-1]


def _run(
    program: Sequence[str], folder: Path, environment: Mapping[str, str], log: BinaryIO, progress: Progress
) -> int:
    """Run a program with its messages as progress; returns its exit code.

    On Ctrl-C, it is killed with all that it has started: its cloud is discarded.
    """
    process = subprocess.Popen(
        program,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        for line in process.stderr or ():
            log.write(line)
            log.flush()
            progress.update(line.decode(errors="replace").rstrip())
        return process.wait()
    finally:
        if process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
            process.kill()
            process.wait()


def _priced(prices: Prices, instances: Instances) -> Instances:
    price = prices.instance_hour(instances.instance_type)
    if price is None:
        return instances
    return replace(instances, dollars_per_hour=price.dollars, price_source=str(price))


def _shifted(timeline: Timeline, seconds: float) -> Timeline:
    """Count the times of a timeline from the start of the apply."""
    return replace(
        timeline,
        moments=tuple(replace(item, seconds=item.seconds + seconds) for item in timeline.moments),
        alarms=tuple(replace(item, seconds=item.seconds + seconds) for item in timeline.alarms),
        rollbacks=tuple(item + seconds for item in timeline.rollbacks),
    )
