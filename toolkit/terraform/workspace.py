"""One stack of one environment, and the Terraform commands on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.console import Console
from toolkit.errors import InterruptedByUserError, TerraformError, ToolkitError
from toolkit.project import Project
from toolkit.terraform import cli_config, command, diagnostics, initialization, process, providers
from toolkit.terraform.events import Change, Counts, Transcript
from toolkit.terraform.program import Program
from toolkit.terraform.progress import Activity, Display

_NO_CHANGES, _CHANGES = 0, 2
_INSTALLATION_FAILURES = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Invalid provider registry host",
)


@dataclass(frozen=True)
class Plan:
    """A saved plan.

    Attributes:
        path: the plan file.
        has_changes: whether applying it does anything, be it only to outputs.
        destroy: whether it takes the stack down.
        counts: resources to add, change, remove and import.
        changes: what happens to which resource; data sources that are read during the apply are left out.
        drift: what was found changed outside of Terraform.
    """

    path: Path
    has_changes: bool
    destroy: bool
    counts: Counts
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]

    def summary(self) -> str:
        """One line, in Terraform's words."""
        if not self.has_changes:
            return "no changes"
        counts = self.counts
        imported = f"{counts.imported} to import, " if counts.imported else ""
        return f"{imported}{counts.add} to add, {counts.change} to change, {counts.remove} to destroy"


@dataclass
class Workspace:
    """One stack of one environment.

    Attributes:
        program: the Terraform program, from `discover`.
        project: the project that the stack belongs to.
        stack: folder of the root module.
        directory: where Terraform's data, the plan and the logs of this stack and environment are kept.
        environment: environment variables for Terraform on top of the user's; None takes one away.
        console: where progress goes.
        var_file: variables.
        backend_file: backend settings; None initializes without a backend.
    """

    program: Program
    project: Project
    stack: Path
    directory: Path
    environment: Mapping[str, str | None]
    console: Console
    var_file: Path | None = None
    backend_file: Path | None = None
    _warned: set[str] = field(default_factory=set, init=False, repr=False)

    @property
    def data_directory(self) -> Path:
        """Terraform's TF_DATA_DIR."""
        return self.directory / "terraform-data"

    def init(self) -> bool:
        """Prepare the stack for its backend and providers, unless that was done and nothing changed.

        Returns:
            Whether anything had to be done.

        Raises:
            TerraformError: it failed, for example because a provider is nowhere to be had.
        """
        wanted = self._fingerprint()
        if initialization.is_current(self.data_directory, wanted):
            return False
        initialization.forget(self.data_directory)
        sources = providers.find(self.program, self.stack)
        settings = cli_config.environment(self.program, sources.mirrors, providers.plugin_cache())
        options: dict[str, Any] = (
            {"backend_config": self.backend_file} if self.backend_file else {"backend": False}
        )
        line = command.build(self.program, "init", flags=("json", "reconfigure"), input=False, **options)
        transcript, outcome = self._stream("init", line, settings)
        self._raise_unless(outcome.returncode == 0, "init", transcript, outcome, sources.tried)
        # Terraform may have added to the lock file.
        initialization.remember(self.data_directory, self._fingerprint())
        return True

    def plan(self, *, destroy: bool = False) -> Plan:
        """Make and save a plan.

        Args:
            destroy: plan to take the stack down.

        Raises:
            StateError: somebody else holds the state lock.
            TerraformError: Terraform reported errors.
        """
        path = self.directory / "plan.tfplan"
        line = command.build(
            self.program,
            "plan",
            flags=("json", "detailed-exitcode", *(("destroy",) if destroy else ())),
            input=False,
            out=path,
            var_file=self.var_file,
        )
        transcript, outcome = self._stream("plan", line)
        self._raise_unless(outcome.returncode in (_NO_CHANGES, _CHANGES), "plan", transcript, outcome)
        return Plan(
            path=path,
            has_changes=outcome.returncode == _CHANGES,
            destroy=destroy,
            counts=transcript.counts or Counts(),
            changes=tuple(change for change in transcript.changes if change.action not in ("noop", "read")),
            drift=tuple(transcript.drift),
        )

    def apply(self, plan: Plan) -> Counts:
        """Do exactly what `plan` says.

        Raises:
            StateError: somebody else holds the state lock, or the state changed since the plan was made.
            TerraformError: Terraform reported errors; what was done until then is in the state.
            InterruptedByUserError: Ctrl-C; what was done until then is in the state.
        """
        line = command.build(self.program, "apply", str(plan.path), flags=("json",), input=False)
        transcript, outcome = self._stream("destroy" if plan.destroy else "apply", line)
        self._raise_unless(outcome.returncode == 0, "apply", transcript, outcome)
        return transcript.counts or Counts()

    def outputs(self) -> dict[str, Any]:
        """The values of the stack's outputs, sensitive ones too; empty if nothing was applied."""
        return {name: output["value"] for name, output in self._json("output").items()}

    def show(self, plan: Plan | None = None) -> dict[str, Any]:
        """Terraform's JSON description of a plan, or of the state (with sensitive values in clear text)."""
        return self._json("show", *([str(plan.path)] if plan else []))

    def _json(self, name: str, *arguments: str) -> dict[str, Any]:
        line = command.build(self.program, name, *arguments, flags=("json", "no-color"))
        try:
            result = process.capture(process.Invocation(line, self.stack, self._environment()))
        except KeyboardInterrupt:
            raise InterruptedByUserError(f"terraform {name} was interrupted; nothing was changed") from None
        if result.returncode != 0:
            raise TerraformError(f"terraform {name} failed", details=_unboxed(result.stderr))
        return dict(json.loads(result.stdout))

    def _stream(
        self, name: str, line: Sequence[str], settings: Mapping[str, str] | None = None
    ) -> tuple[Transcript, process.Outcome]:
        transcript = Transcript()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.console.progress(f"terraform {name} ({self.stack.name})") as progress:
            display = Display(progress, Activity())

            def on_line(text: str) -> None:
                event = transcript.feed(text)
                if event is not None:
                    display.event(event)

            outcome = process.run(
                process.Invocation(line, self.stack, self._environment(settings)),
                output=self.directory / f"{name}.log",
                on_line=on_line,
                on_tick=display.tick,
            )
        self._warn(transcript)
        return transcript, outcome

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
        return initialization.fingerprint(self.program, self.stack, self.backend_file, relevant)

    def _warn(self, transcript: Transcript) -> None:
        for diagnostic in transcript.diagnostics:
            if diagnostic.severity != "warning" or diagnostic.summary in self._warned:
                continue
            self._warned.add(diagnostic.summary)
            where = diagnostic.where(self._relative)
            self.console.warning(f"{where}: {diagnostic.headline()}" if where else diagnostic.headline())

    def _raise_unless(
        self,
        good: bool,
        name: str,
        transcript: Transcript,
        outcome: process.Outcome,
        tried: Sequence[str] = (),
    ) -> None:
        log = self.project.relative(self.directory / f"{name}.log")
        if outcome.interrupted:
            raise self._interrupted(name, outcome, log)
        if good:
            return
        plain = [*transcript.plain, *_unboxed(outcome.stderr)]
        error = diagnostics.error_for(name, transcript.diagnostics, plain, self._relative, log)
        if any(each.summary in _INSTALLATION_FAILURES for each in transcript.diagnostics):
            raise self._provider_error(error, tried)
        raise error

    def _interrupted(self, name: str, outcome: process.Outcome, log: str) -> InterruptedByUserError:
        if outcome.forced:
            return InterruptedByUserError(
                f"terraform {name} was stopped by force; the state may miss what it was doing",
                remedy=f"plan again and compare; all of its output is in {log}",
            )
        return InterruptedByUserError(
            f"terraform {name} was interrupted and has ended safely; the state is stored"
        )

    def _provider_error(self, error: ToolkitError, tried: Sequence[str]) -> TerraformError:
        return TerraformError(
            "a provider can't be installed",
            details=[error.message, *error.details, "tried:", *(f"  {place}" for place in tried)],
            remedy=(
                f"make the registry reachable (HTTPS_PROXY), or set {providers.SETTING} to a directory that "
                "`terraform providers mirror DIRECTORY` filled on a machine that reaches it"
            ),
        )

    @property
    def _relative(self) -> Any:
        return diagnostics.relative_to(str(self.stack), str(self.project.root))


def _unboxed(text: str) -> list[str]:
    """Terraform's errors for people without the box drawn around them."""
    lines = (line.lstrip("│╷╵ ").rstrip() for line in text.splitlines())
    return [line for line in lines if line]
