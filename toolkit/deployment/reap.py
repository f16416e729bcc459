"""Environments that have expired, and their destruction: `toolkit reap`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import environment
from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import DENIED, explain
from toolkit.cost.estimate import estimate
from toolkit.deployment import expiry, lifecycle, locks
from toolkit.deployment.context import Context
from toolkit.deployment.expiry import Expiry
from toolkit.environment import Environment
from toolkit.errors import InterruptedByUserError, StateError, ToolkitError
from toolkit.report.drift import utc

State = Literal["expired", "destroyed", "alive", "kept", "unreadable", "failed"]


@dataclass(frozen=True)
class ExpiringEnvironment:
    """An environment with a time to live.

    Attributes:
        name: its name.
        state: "expired", "alive" (not yet), "kept" (expired, but must not be destroyed), "unreadable",
            "destroyed" or "failed" (its destruction).
        expires_at: when it expires; None if unreadable.
        applied_at: when its last apply began; None if unreadable.
        dollars_per_hour: its estimated cost at minimum capacity; None if unknown.
        reason: why it is kept, unreadable or failed.
        error: the error behind it.
    """

    name: str
    state: State
    expires_at: datetime | None = None
    applied_at: datetime | None = None
    dollars_per_hour: float | None = None
    reason: str | None = None
    error: ToolkitError | None = None

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "environment": self.name,
            "state": self.state,
            "expires_at": utc(self.expires_at) if self.expires_at else None,
            "applied_at": utc(self.applied_at) if self.applied_at else None,
            "dollars_per_hour": self.dollars_per_hour,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        line = f"{self.name}: {self.state}"
        if self.expires_at is not None and self.applied_at is not None:
            verb = "expires" if self.state == "alive" else "expired"
            line += f"; {verb} at {utc(self.expires_at)}, last applied at {utc(self.applied_at)}"
        if self.dollars_per_hour is not None:
            line += f", about ${self.dollars_per_hour:,.2f} per hour on AWS"
        return f"{line}; {self.reason}" if self.reason else line


def find(context: Context) -> list[ExpiringEnvironment]:
    """The environments with a time to live in the context's state bucket, those that have expired first."""
    with context.console.progress("reading when environments expire"):
        now = context.access.now()
        read = map_concurrently(partial(_read, context, now), sorted(expiry.names(context)))
    order: tuple[State, ...] = ("expired", "kept", "unreadable", "alive")
    return sorted(
        (candidate for candidate in read if candidate), key=lambda candidate: order.index(candidate.state)
    )


def reap(context: Context, candidates: list[ExpiringEnvironment]) -> Iterator[ExpiringEnvironment]:
    """Destroy the expired environments one after another; yields each environment with what became of it."""
    for candidate in candidates:
        if candidate.state != "expired":
            yield candidate
            continue
        context.console.line(f"destroying {candidate.name}")
        try:
            yield _destroy(context, candidate)
        except InterruptedByUserError:
            raise
        except (ToolkitError, BotoCoreError, ClientError) as error:
            failure = error if isinstance(error, ToolkitError) else explain(error)
            if failure is None:
                raise
            context.console.line(str(failure))
            yield replace(candidate, state="failed", reason=failure.message, error=failure)


def raise_for_failures(candidates: list[ExpiringEnvironment]) -> None:
    """Raise if environments could not be read or destroyed, with the exit code of the first."""
    failed = [candidate for candidate in candidates if candidate.error is not None]
    if not failed:
        return
    names = ", ".join(candidate.name for candidate in failed)
    summary = ToolkitError(f"cannot reap {names}", remedy="remove the cause, then run `toolkit reap` again")
    summary.details = tuple(f"{candidate.name}: {candidate.reason}" for candidate in failed)
    summary.exit_code = next(candidate.error.exit_code for candidate in failed if candidate.error)
    raise summary


def _read(context: Context, now: datetime, name: str) -> ExpiringEnvironment | None:
    try:
        record = expiry.read(context, name)
        if record is None or record.expires_at is None:
            return None
        recorded = expiry.environment_of(context, record)
    except StateError as error:
        return ExpiringEnvironment(name, "unreadable", reason=error.message, error=error)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return ExpiringEnvironment(name, "unreadable", reason="your credentials may not read it")
    costs = estimate(recorded)
    candidate = ExpiringEnvironment(
        name=name,
        state="expired" if record.expires_at <= now else "alive",
        expires_at=record.expires_at,
        applied_at=record.applied_at,
        dollars_per_hour=costs.per_hour("minimum") if costs.is_complete else None,
    )
    reason = _why_kept(context, record, recorded, now) if candidate.state == "expired" else None
    return replace(candidate, state="kept", reason=reason) if reason else candidate


def _why_kept(context: Context, record: Expiry, recorded: Environment, now: datetime) -> str | None:
    """Why an expired environment must stay: it, or its file in the project, if that exists, says so."""
    if recorded.protected:
        return "it is protected"
    if not context.project.environment_file(recorded.name).is_file():
        return None
    try:
        declared = environment.load(context.project, recorded.name)
    except ToolkitError:
        return f"its file has problems; see `toolkit validate --env {recorded.name}`"
    if declared.protected:
        return "its file protects it; apply it"
    if declared.ttl_seconds is None:
        return "its file has no ttl any more; apply it"
    is_longer = declared.ttl_seconds > (recorded.ttl_seconds or 0)
    lasts = is_longer and now - record.applied_at < timedelta(seconds=declared.ttl_seconds)
    return "its file has a longer ttl; apply it" if lasts else None


def _destroy(context: Context, candidate: ExpiringEnvironment) -> ExpiringEnvironment:
    record = _require_expired(context, candidate)
    if record is None:
        return replace(candidate, state="alive", reason="it was applied or destroyed meanwhile")
    own = replace(context, environment=expiry.environment_of(context, record))

    def confirmed() -> None:
        if _require_expired(context, candidate) is None:
            raise StateError(f"cannot destroy {candidate.name}: it was applied meanwhile")

    with locks.exclusive(own):
        # Another command may have waited for the same lock.
        confirmed()
        count = lifecycle.destroy_opened(own, lifecycle.Consent(yes=True), record, confirmed=confirmed)
    context.console.line(f"{candidate.name} is destroyed: {count} resources, and its API keys")
    return replace(candidate, state="destroyed")


def _require_expired(context: Context, candidate: ExpiringEnvironment) -> Expiry | None:
    """The record of an environment if it still is what was shown as expired."""
    record = expiry.read(context, candidate.name)
    same = record is not None and record.expires_at == candidate.expires_at
    return record if same else None
