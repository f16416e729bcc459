"""Terraform commands on one stack of one environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import TypedDict

from toolkit import documents
from toolkit.console import Console
from toolkit.errors import InterruptedByUserError, StateError, TerraformError
from toolkit.project import Project
from toolkit.terraform import (
    cli_config,
    command,
    diagnostics,
    failures,
    init_cache,
    process,
    providers,
    unstored_state,
)
from toolkit.terraform.plan import Plan
from toolkit.terraform.plan_json import PlanDocument
from toolkit.terraform.program import Program
from toolkit.terraform.progress import Activity, Display, Watch
from toolkit.terraform.state_file import Output
from toolkit.terraform.transcript import Counts, Transcript

_NO_CHANGES, _CHANGES = 0, 2
# Commands whose output ends with the numbers of changes.
_SUMMARIZED = ("plan", "apply", "destroy")
T = TypeVar("T")


class _Validation(TypedDict):
    """The output of `terraform validate -json`."""

    valid: bool
    diagnostics: list[dict[str, Any]]


@dataclass
class Workspace:
    """One stack of one environment.

    Attributes:
        program: the Terraform program, from `discover`.
        project: the project of the stack.
        stack: folder of the root module.
        directory: folder for Terraform's data, the plan and the logs of this stack and environment.
        environment: environment variables for Terraform in addition to the user's; None removes one.
        console: shows progress.
        var_file: variables.
        backend_file: backend settings; None initializes without a backend.
        lock_timeout_seconds: how long to wait for another run's state lock.
        unlock: the command that removes an abandoned lock; by default `terraform force-unlock`.
        push: the command that stores the state in a file; by default `terraform state push`.
    """

    program: Program
    project: Project
    stack: Path
    directory: Path
    environment: Mapping[str, str | None]
    console: Console
    var_file: Path | None = None
    backend_file: Path | None = None
    lock_timeout_seconds: int = 0
    unlock: str | None = None
    push: str | None = None
    _warned: set[str] = field(default_factory=set, init=False, repr=False)
    _outputs: dict[str, Any] | None = field(default=None, init=False, repr=False)

    @property
    def data_directory(self) -> Path:
        """Terraform's TF_DATA_DIR."""
        return self.directory / "terraform-data"

    def init(self) -> bool:
        """Run `terraform init`, unless nothing changed since the last one.

        State is not migrated: with new backend settings, Terraform uses the state at the new location.

        Returns:
            Whether `init` ran.

        Raises:
            InputError: `TOOLKIT_PROVIDER_MIRROR` is not a directory.
            TerraformError: it failed, for example because a provider was not found.
        """
        if init_cache.is_current(self.data_directory, self._fingerprint()):
            return False
        init_cache.forget(self.data_directory)
        before = init_cache.state_location(self.data_directory)
        options: dict[str, Any] = (
            {"backend_config": self.backend_file} if self.backend_file else {"backend": False}
        )
        line = command.build(self.program, "init", flags=("json", "reconfigure"), input=False, **options)
        with providers.exclusive_cache(self.console):
            sources = providers.find(self.program, self.stack, cli_config.read_user_config(self.program))
            settings = cli_config.environment(self.program, sources.mirrors, sources.plugin_cache)
            self._stream("init", line, settings=settings, tried=sources.tried)
        after = init_cache.state_location(self.data_directory)
        if before and before != after:
            self.console.warning(f"the state is now in {after}; the state in {before} is unchanged")
        # `init` may have extended the lock file.
        init_cache.remember(self.data_directory, self._fingerprint())
        return True

    def plan(
        self,
        *,
        destroy: bool = False,
        refresh_only: bool = False,
        var_files: Sequence[Path] = (),
        replace: Sequence[str] = (),
    ) -> Plan:
        """Create and save a plan.

        Args:
            destroy: plan the destruction of the stack.
            refresh_only: plan only updates of the state to changes made outside Terraform.
            var_files: variable files in addition to the stack's.
            replace: addresses of resources to replace.

        Raises:
            StateError: another run holds the state lock.
            TerraformError: Terraform reported errors.
        """
        path = self.directory / ("drift.tfplan" if refresh_only else "plan.tfplan")
        mode = ("destroy",) * destroy + ("refresh_only",) * refresh_only
        flags = ("json", "detailed-exitcode", *mode)
        files = [str(file) for file in (self.var_file, *var_files) if file is not None]
        options = {"input": False, "out": path, "var_file": files, "replace": list(replace), **self._waiting}
        line = command.build(self.program, "plan", flags=flags, **options)
        try:
            transcript, outcome = self._stream("plan", line, accepted_codes=(_NO_CHANGES, _CHANGES))
        except diagnostics.LockDeniedError:
            # Credentials with read access can plan, and cannot block others by a lock.
            self.console.warning("no permission to lock the state; planning without a lock")
            transcript, outcome = self._stream(
                "plan", [*line, "-lock=false"], accepted_codes=(_NO_CHANGES, _CHANGES)
            )
        return Plan(
            path=path,
            has_changes=outcome.returncode == _CHANGES,
            destroy=destroy,
            counts=transcript.counts or Counts(),
            changes=tuple(change for change in transcript.changes if change.action not in ("noop", "read")),
            drift=tuple(transcript.drift),
        )

    def apply(self, plan: Plan, watch: Watch = dict) -> Counts:
        """Apply a saved plan.

        Args:
            plan: the plan.
            watch: called several times a second for further status to show.

        Returns:
            Numbers of resources added, changed and removed.

        Raises:
            StateError: another run holds the state lock, or the plan is stale.
            TerraformError: Terraform reported errors; completed changes are in the state.
            InterruptedByUserError: Ctrl-C; completed changes are in the state.
        """
        line = command.build(
            self.program, "apply", str(plan.path), flags=("json",), input=False, **self._waiting
        )
        return self._apply("destroy" if plan.destroy else "apply", line, watch)

    def apply_unseen(self) -> Counts:
        """Plan and apply in one run, for changes that need no review.

        Returns:
            Numbers of resources added, changed and removed.

        Raises:
            StateError, TerraformError, InterruptedByUserError: as `apply` does.
        """
        options = {"input": False, "var_file": str(self.var_file) if self.var_file else None, **self._waiting}
        flags = ("json", "auto-approve")
        return self._apply("apply", command.build(self.program, "apply", flags=flags, **options))

    def outputs(self) -> dict[str, Any]:
        """Values of the stack's outputs, including sensitive ones; empty before the first apply."""
        if self._outputs is None:
            outputs = self._json("output", kind=dict[str, Output])
            self._outputs = {name: output["value"] for name, output in outputs.items()}
        return dict(self._outputs)

    def show(self, plan: Plan) -> PlanDocument:
        """Terraform's JSON description of a plan, with sensitive values in clear text."""
        return self._json("show", str(plan.path), kind=PlanDocument)

    def show_in_background(self, plan: Plan) -> Future[PlanDocument]:
        """Start describing a plan."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="terraform-show")
        document = pool.submit(self.show, plan)
        pool.shutdown(wait=False)
        return document

    def validate(self) -> None:
        """Check the stack's code.

        Raises:
            TerraformError: it is invalid.
        """
        result = self._json("validate", kind=_Validation, accepted_codes=(0, 1))
        parsed = [diagnostics.Diagnostic.from_json(item) for item in result["diagnostics"]]
        if not result["valid"]:
            raise diagnostics.error_for("validate", parsed, [], self._error_context, "")

    def untaint(self, address: str) -> None:
        """Untaint a resource, so that Terraform does not replace it.

        Raises:
            StateError: another run holds the state lock.
            TerraformError: it is not tainted, or the state cannot be written.
        """
        details = self._change_state("untaint", address)
        if details is not None:
            raise TerraformError(f"cannot untaint {address}", details=details)

    def push_state(self, path: Path) -> None:
        """Store the state in a file.

        Raises:
            StateError: another run holds the state lock, or lineage or serial do not fit the stored state.
            TerraformError: the state cannot be written.
        """
        details = self._change_state("state push", str(path.resolve()))
        if details is None:
            return
        if any(
            "cannot import state" in text or "cannot overwrite existing state" in text for text in details
        ):
            raise StateError(f"cannot push {path}: it does not continue the stored state", details=details)
        raise TerraformError(f"cannot push {path}", details=details)

    def _change_state(self, name: str, argument: str) -> list[str] | None:
        """Run a command that changes only the state; returns Terraform's errors, or None if it succeeded."""
        line = command.build(self.program, name, argument, flags=("no_color",), **self._waiting)
        result = process.capture(process.Invocation(line, self.stack, self._environment()))
        if result.returncode == 0:
            return None
        details = failures.unboxed(result.stderr)
        locked = diagnostics.lock_error("\n".join(details), self._error_context)
        if locked is not None:
            raise locked
        return details

    @property
    def _waiting(self) -> dict[str, str]:
        return {"lock_timeout": f"{self.lock_timeout_seconds}s"} if self.lock_timeout_seconds else {}

    def _json(self, name: str, *arguments: str, kind: type[T], accepted_codes: Sequence[int] = (0,)) -> T:
        line = command.build(self.program, name, *arguments, flags=("json", "no-color"))
        try:
            result = process.capture(process.Invocation(line, self.stack, self._environment()))
        except KeyboardInterrupt:
            raise InterruptedByUserError(f"terraform {name} was interrupted; nothing was changed") from None
        if result.returncode not in accepted_codes:
            raise TerraformError(f"terraform {name} failed", details=failures.unboxed(result.stderr))
        error = TerraformError(f"cannot read the output of terraform {name}", where=self.program.location)
        return documents.read(result.stdout, kind, error)

    def _apply(self, name: str, line: Sequence[str], watch: Watch = dict) -> Counts:
        self._outputs = None
        moved = unstored_state.reserve(self.stack, self.project.build)
        if moved is not None:
            self.console.warning(
                f"moved errored.tfstate, which an earlier run of Terraform left in {self.stack}, to "
                f"{self.project.relative(moved)}: `toolkit state push` stores it in its environment"
            )
        transcript, _ = self._stream(name, line, watch=watch)
        # Saves the caller a `terraform output`, one or two seconds.
        self._outputs = transcript.outputs
        return transcript.counts or Counts()

    def _stream(  # noqa: PLR0913 - keyword arguments
        self,
        name: str,
        line: Sequence[str],
        *,
        accepted_codes: Sequence[int] = (0,),
        settings: Mapping[str, str] | None = None,
        tried: Sequence[str] = (),
        watch: Watch = dict,
    ) -> tuple[Transcript, process.Outcome]:
        transcript = Transcript()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # With the process ID, so that concurrent runs do not read each other's output.
        output = self.directory / f"{name}.{os.getpid()}.log"
        with self.console.progress(f"terraform {name} ({self.stack.name})") as progress:
            display = Display(name, progress, Activity(), watch)

            def on_line(text: str) -> None:
                event = transcript.feed(text)
                if event is not None:
                    display.event(event)

            outcome = process.run(
                process.Invocation(line, self.stack, self._environment(settings)),
                output=output,
                on_line=on_line,
                on_tick=display.tick,
            )
        for file in (output, output.with_suffix(".stderr")):
            file.replace(self.directory / f"{name}{file.suffix}")
        self._warn(transcript)
        if outcome.interrupted or outcome.returncode not in accepted_codes:
            raise failures.error_for(name, transcript, outcome, self._error_context, tried)
        if name in _SUMMARIZED and transcript.counts is None:
            # Terraform ignores that it cannot write its output.
            raise failures.incomplete_output(name, self._error_context)
        return transcript, outcome

    def _warn(self, transcript: Transcript) -> None:
        for diagnostic in transcript.diagnostics:
            if diagnostic.severity != "warning" or diagnostic.summary in self._warned:
                continue
            self._warned.add(diagnostic.summary)
            self.console.warning(
                ": ".join(line.strip() for line in diagnostic.lines(self._error_context)[:2])
            )

    def _environment(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        return command.environment(
            cli_config.environment(self.program) if settings is None else settings,
            self.environment,
            {"TF_DATA_DIR": str(self.data_directory)},
        )

    def _fingerprint(self) -> str:
        relevant = {"user's CLI configuration": cli_config.read_user_config(self.program).digest}
        relevant |= {
            name: value
            for name, value in self._environment().items()
            if name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", providers.SETTING)
            or name.startswith("AWS_ENDPOINT_URL")
        }
        return init_cache.fingerprint(self.program, self.stack, self.backend_file, relevant)

    @property
    def _error_context(self) -> failures.ErrorContext:
        endpoints = {
            name: value
            for name, value in self.environment.items()
            if value is not None and name.startswith("AWS_ENDPOINT_URL")
        }
        variables = {"TF_DATA_DIR": str(self.data_directory), **endpoints}
        program = ("terraform",) if self.program.origin == "PATH" else self.program.argv
        return failures.ErrorContext(
            self.project, self.stack, self.directory, program, variables, self.unlock, self.push
        )
