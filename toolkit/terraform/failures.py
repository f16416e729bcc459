"""What a user is told when a Terraform command did not end well."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from toolkit.errors import TerraformError, ToolkitError
from toolkit.iam import denials
from toolkit.iam.denials import Denial
from toolkit.project import Project
from toolkit.terraform import diagnostics, interrupts, providers
from toolkit.terraform.process import Outcome
from toolkit.terraform.transcript import Transcript

_INSTALLATION_FAILURES = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Invalid provider registry host",
)
# Where Terraform leaves the state in its working directory when the backend does not take it.
ERRORED_STATE = "errored.tfstate"
_NAMES_ERRORED_STATE = "Failed to persist state to backend"


@dataclass(frozen=True)
class ErrorContext:
    """Where a command ran, for messages that lead the user there.

    Attributes:
        project: the project.
        stack: the folder it ran in.
        directory: where what belongs to this stack and environment is kept.
        program: how Terraform is started.
        variables: environment variables that are needed to run Terraform by hand; no secrets.
        unlock: the command that clears a lock that was left behind; None if there is only Terraform's own.
    """

    project: Project
    stack: Path
    directory: Path
    program: Sequence[str]
    variables: Mapping[str, str]
    unlock: str | None = None

    def relative(self, file: str) -> str:
        """A file name as Terraform reports it, relative to the project."""
        path = Path(os.path.normpath(self.stack / file))
        return self.project.relative(path)

    def by_hand(self, *arguments: str) -> str:
        """The command line that runs Terraform with `arguments` on this stack and environment."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        chdir = f"-chdir={shlex.quote(self.project.relative(self.stack))}"
        return " ".join([*settings, shlex.join(self.program), chdir, shlex.join(arguments)])


def error_for(
    name: str, transcript: Transcript, outcome: Outcome, context: ErrorContext, tried: Sequence[str]
) -> ToolkitError:
    """The error for a command that failed or was interrupted.

    Args:
        name: "init", "plan", "apply" or "destroy".
        transcript: what it said.
        outcome: how it ended.
        context: where it ran.
        tried: where providers were looked for, a line each.
    """
    rescued = _rescue_state(transcript, context)
    if rescued:
        return _state_not_stored(rescued, transcript, context)
    log = context.project.relative(context.directory / f"{name}.log")
    if outcome.interrupted:
        unlock = context.unlock or context.by_hand("force-unlock")
        return interrupts.error(name, outcome, log=log, unlock=unlock)
    plain = [*transcript.plain, *unboxed(outcome.stderr)]
    error = diagnostics.error_for(name, transcript.diagnostics, plain, context, log)
    if any(each.summary in _INSTALLATION_FAILURES for each in transcript.diagnostics):
        return _provider_error(error, tried)
    denied = denials.find("\n".join([error.message, *error.details]))
    # Whoever plans goes on without a lock that is denied, and must see which error it is.
    is_plain = type(error) is TerraformError or (
        name != "plan" and isinstance(error, diagnostics.LockDeniedError)
    )
    if denied and isinstance(error, TerraformError) and is_plain:
        error = _denied(error, denied, context.project)
    if name in interrupts.CHANGES_SOMETHING and error.remedy is None:
        error.remedy = (
            "what was done until then is in the state: mend the cause and run the same command again"
        )
    return error


def unboxed(text: str) -> list[str]:
    """Terraform's errors for people without the box drawn around them."""
    lines = (line.lstrip("│╷╵ ").rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def _denied(error: TerraformError, denied: Sequence[Denial], project: Project) -> TerraformError:
    first, *others = denied
    return TerraformError(
        str(first),
        where=error.where,
        details=[str(other) for other in others],
        remedy=denials.remedy(project, denied),
    )


def _provider_error(error: ToolkitError, tried: Sequence[str]) -> TerraformError:
    return TerraformError(
        "a provider can't be installed",
        details=[
            error.message,
            *error.details[:1],
            "places that were tried:",
            *(f"  {place}" for place in tried),
        ],
        remedy=providers.REMEDY,
    )


def _rescue_state(transcript: Transcript, context: ErrorContext) -> Path | None:
    """Bring a state that the backend did not take out of the folder that all environments share."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = context.directory / f"errored-{stamp}.tfstate"
    left = context.stack / ERRORED_STATE
    if left.is_file():
        left.replace(safe)
    elif transcript.state is not None:
        safe.touch(mode=0o600)
        safe.write_text(json.dumps(transcript.state))
    else:
        return None
    return safe


def _state_not_stored(rescued: Path, transcript: Transcript, context: ErrorContext) -> TerraformError:
    errors = [
        each
        for each in transcript.diagnostics
        if each.severity == "error" and each.summary != _NAMES_ERRORED_STATE
    ]
    return TerraformError(
        "the state could not be stored where it belongs; it was saved on this machine",
        where=context.project.relative(rescued),
        details=[line for each in errors for line in (each.headline(), *each.paragraphs()[:1])],
        remedy=(
            "before anything else, once the state bucket can be reached: "
            f"{context.by_hand('state', 'push', str(rescued))}"
        ),
    )
