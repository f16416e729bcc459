"""Errors for Terraform commands that failed or were interrupted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import os_errors
from toolkit.errors import TerraformError, ToolkitError
from toolkit.iam import denials
from toolkit.iam.denials import Denial
from toolkit.project import Project
from toolkit.terraform import diagnostics, interrupts, providers, unstored_state
from toolkit.terraform.process import Outcome
from toolkit.terraform.transcript import Transcript

_INSTALLATION_FAILURES = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Invalid provider registry host",
)
# Terraform's advice for a state that it printed, and why it printed it.
_ADVICE = {"Failed to create local state file", "Failed to persist state to backend"}


@dataclass(frozen=True)
class ErrorContext:
    """The context of a failed command, for error messages and remedies.

    Attributes:
        project: the project.
        stack: the folder of the root module.
        directory: the build folder of this stack and environment.
        program: command line of Terraform.
        variables: environment variables for running Terraform by hand; no secrets.
        unlock: the command that removes an abandoned lock; None for `terraform force-unlock`.
        push: the command that stores the state in a file; None for `terraform state push`.
    """

    project: Project
    stack: Path
    directory: Path
    program: Sequence[str]
    variables: Mapping[str, str]
    unlock: str | None = None
    push: str | None = None

    def relative(self, file: str) -> str:
        """Convert a file name reported by Terraform to one relative to the project."""
        path = Path(os.path.normpath(self.stack / file))
        return self.project.relative(path)

    def by_hand(self, *arguments: str) -> str:
        """The command line that runs Terraform on this stack and environment."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        chdir = f"-chdir={shlex.quote(self.project.relative(self.stack))}"
        return " ".join([*settings, shlex.join(self.program), chdir, shlex.join(arguments)])


def error_for(
    name: str, transcript: Transcript, outcome: Outcome, context: ErrorContext, tried: Sequence[str]
) -> ToolkitError:
    """The error for a failed or interrupted command.

    Args:
        name: "init", "plan", "apply" or "destroy".
        transcript: its output.
        outcome: its exit code and whether it was interrupted.
        context: where it ran.
        tried: the provider sources searched, one line each.
    """
    if transcript.state is not None:
        return _state_not_stored(
            unstored_state.save(transcript.state, context.directory), transcript, context
        )
    log = context.project.relative(context.directory / f"{name}.log")
    if outcome.interrupted:
        unlock = context.unlock or context.by_hand("force-unlock")
        return interrupts.error(name, outcome, log=log, unlock=unlock)
    plain = [*transcript.plain, *unboxed(outcome.stderr)]
    error = diagnostics.error_for(name, transcript.diagnostics, plain, context, log)
    if any(item.summary in _INSTALLATION_FAILURES for item in transcript.diagnostics):
        return _provider_error(error, tried)
    denied = denials.find("\n".join([error.message, *error.details]))
    # `plan` must recognize LockDeniedError, to retry without a lock.
    is_plain = type(error) is TerraformError or (
        name != "plan" and isinstance(error, diagnostics.LockDeniedError)
    )
    if denied and isinstance(error, TerraformError) and is_plain:
        error = _denied(error, denied, context.project)
    problem = os_errors.in_output("\n".join([error.message, *error.details]), context.directory)
    if problem is not None:
        error.remedy = (
            f"check permissions and free disk space of {problem.where}, and run the same command again"
        )
    if name in interrupts.CHANGES_SOMETHING and error.remedy is None:
        error.remedy = "completed changes are in the state: fix the cause and run the same command again"
    return error


def incomplete_output(name: str, context: ErrorContext) -> TerraformError:
    """The error for a command that succeeded, but whose output is truncated, as on a full disk."""
    return TerraformError(
        f"the output of terraform {name} is incomplete",
        where=context.project.relative(context.directory / f"{name}.log"),
        remedy=f"free disk space in {context.directory}, and run the same command again",
    )


def unboxed(text: str) -> list[str]:
    """Lines of Terraform's human-readable errors, without the box around them."""
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
        "cannot install a provider",
        details=[
            error.message,
            *error.details[:1],
            "sources searched:",
            *(f"  {source}" for source in tried),
        ],
        remedy=providers.REMEDY,
    )


def _state_not_stored(saved: Path, transcript: Transcript, context: ErrorContext) -> TerraformError:
    errors = [
        item for item in transcript.diagnostics if item.severity == "error" and item.summary not in _ADVICE
    ]
    file = context.project.relative(saved)
    push = f"{context.push} {file}" if context.push else context.by_hand("state", "push", str(saved))
    return TerraformError(
        "cannot write the state to its bucket; it was saved on this machine instead",
        where=file,
        details=[line for error in errors for line in (error.headline(), *error.paragraphs()[:1])],
        remedy=f"before any other command, once the state bucket is reachable, run: {push}",
    )
