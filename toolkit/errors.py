"""Errors for the user, each with an exit code that a pipeline can act on."""

from __future__ import annotations

from collections.abc import Sequence


class ToolkitError(Exception):
    """An error that the user can act on; the command line prints it without a traceback.

    Args:
        message: what is wrong, in one sentence.
        where: the file and line, resource or address with the problem.
        remedy: what to do about it.
        details: further lines to show as they are (Terraform's diagnostics, log lines).
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy
        self.details = tuple(details)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        lines += [f"  {line}" for line in self.details]
        if self.remedy:
            lines.append(f"  → {self.remedy}")
        return "\n".join(lines)


class InputError(ToolkitError):
    """A file, an argument or a setting is wrong."""

    exit_code = 2


class PolicyViolationError(ToolkitError):
    """A policy forbids the change; nothing was changed."""

    exit_code = 3


class PreflightError(ToolkitError):
    """The account, the machine or a tool is not ready; nothing was changed."""

    exit_code = 4


class TerraformError(ToolkitError):
    """Terraform could not be run, or reported errors."""

    exit_code = 5


class RolloutError(ToolkitError):
    """Terraform finished, but SageMaker does not serve the planned configuration."""

    exit_code = 6


class SmokeTestError(ToolkitError):
    """The deployment failed the smoke test."""

    exit_code = 7


class RegressionError(ToolkitError):
    """A benchmark is significantly worse than another one."""

    exit_code = 7


class DriftError(ToolkitError):
    """Deployed resources differ from the declared configuration."""

    exit_code = 8


class StateError(ToolkitError):
    """Another command holds the state lock, a saved plan is stale, or a stored release was changed."""

    exit_code = 9


PLAN_AGAIN = "plan again, then apply that plan"


class StalePlanError(StateError):
    """The inputs of a plan have changed since its creation.

    Args:
        where: the plan file.
        details: the inputs that have changed.
    """

    def __init__(self, *, where: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(
            "the plan is stale: its inputs have changed",
            where=where,
            details=details,
            remedy=PLAN_AGAIN,
        )


class InterruptedByUserError(ToolkitError):
    """Ctrl-C, after operations in progress have ended safely."""

    exit_code = 130
