"""The result of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from toolkit.errors import SmokeTestError

Verdict = Literal["passed", "failed", "not run"]
Task = Literal["text", "embedding", "ranking"]


class Layer(StrEnum):
    """A layer of a deployment; the order is from the inside out."""

    ENDPOINT = "endpoint"
    INVOCATION = "invocation"
    STREAMING = "streaming"
    GATEWAY = "gateway"
    KEYS = "keys"
    API = "api"
    API_STREAMING = "api-streaming"
    EXPECTATIONS = "expectations"
    OBJECTIVES = "objectives"
    ERRORS = "errors"
    LOGS = "logs"


class FailedError(Exception):
    """A failed check; the message is shown to the user.

    Args:
        detail: the observation.
        cause: the most likely cause.
        command: the command to run next.
    """

    def __init__(self, detail: str, cause: str | None = None, command: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cause = cause
        self.command = command


class NotRunError(Exception):
    """A check that does not apply to this deployment now; the message is the reason."""


class OutOfTokensError(NotRunError):
    """The tokens per minute of the key are used up.

    Args:
        message: the reason.
        seconds: until there are some again.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        model: the model checked; None for a check of the whole API.
        name: the name of the check.
        ok: whether it passed; None if it was not run.
        seconds: its duration.
        detail: the observation, the problem, or why the check was not run.
        layer: the layer that it checks.
        cause: the most likely cause of a failure.
        command: the command to run next after a failure.
    """

    model: str | None
    name: str
    ok: bool | None
    seconds: float
    detail: str
    layer: str = ""
    cause: str | None = None
    command: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The result in words."""
        return "not run" if self.ok is None else "passed" if self.ok else "failed"

    @property
    def subject(self) -> str:
        """The model, or the API."""
        return self.model or "API"

    def line(self) -> str:
        """One line for the user; for a failure, also its cause and the next command."""
        if self.ok is None:
            return f"skip {self.subject}: {self.name}: not run, {self.detail}"
        mark = "ok  " if self.ok else "FAIL"
        lines = [f"{mark} {self.subject}: {self.name} ({self.seconds:.2f} s): {self.detail}"]
        lines += [f"     cause: {self.cause}"] if self.cause else []
        lines += [f"     next: {self.command}"] if self.command else []
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "verdict": self.verdict}


def summary(checks: Sequence[Check]) -> str:
    """The number of checks by verdict, in words."""
    counts = {
        verdict: sum(check.verdict == verdict for check in checks)
        for verdict in ("passed", "failed", "not run")
    }
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "no checks"


def raise_for_failures(env: str, checks: Sequence[Check], *, shown: bool = False) -> None:
    """Raise an error if a check failed.

    Args:
        env: the environment.
        checks: all checks.
        shown: whether the user has seen them, so that the error does not repeat them.

    Raises:
        SmokeTestError: a check failed.
    """
    failed = [check for check in checks if check.ok is False]
    if failed:
        run = [check for check in checks if check.ok is not None]
        command = failed[0].command or f"toolkit status --env {env}"
        raise SmokeTestError(
            f"{len(failed)} of {len(run)} checks failed, the first: {failed[0].subject}: {failed[0].name}",
            details=[] if shown else [line for check in failed for line in check.line().splitlines()],
            remedy=f"run `{command}`",
        )
