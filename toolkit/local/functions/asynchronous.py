"""Asynchronous invocations (type `Event`), retried as Lambda's own queue retries them.

After a function error, Lambda retries twice, a minute and two minutes later. A rejected invocation
(throttled, or the role cannot be assumed) returns to the queue until the event expires, with waits from a
second to five minutes. The waits are scaled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.local.functions.exceptions import FunctionError, FunctionNotFoundError, RefusedError
from toolkit.local.functions.invocation import new_request_id
from toolkit.local.functions.metrics import FunctionMetrics
from toolkit.local.functions.models import Function, find_arn
from toolkit.local.functions.runtime import Runner
from toolkit.local.timescale import scaled

_log = logging.getLogger(__name__)

_AFTER_ERROR_SECONDS = (60.0, 120.0)
_AFTER_REJECTION_SECONDS = 1.0
_AFTER_REJECTION_MAX_SECONDS = 300.0


@dataclass(frozen=True)
class _Event:
    arn: str
    payload: bytes
    client_context: str | None
    request_id: str = field(default_factory=new_request_id)
    received: float = field(default_factory=time.monotonic)

    def expires_within(self, seconds: float, target: Function) -> bool:
        """Whether the event expires for `target` in the next seconds."""
        return time.monotonic() + seconds - self.received > scaled(target.max_event_age_seconds)


class AsyncInvocations:
    """A queue of events.

    Args:
        runner: runs their functions.
        measure: counts received and dropped events.
    """

    def __init__(self, runner: Runner, measure: FunctionMetrics) -> None:
        self._runner = runner
        self._measure = measure

    def put(self, target: Function, payload: bytes, client_context: str | None = None) -> str:
        """Queue an event; returns the request id of all attempts."""
        event = _Event(target.arn, payload, client_context)
        self._measure.received(target)
        self._runner.spawn(self._work(event, target))
        return event.request_id

    async def _work(self, event: _Event, target: Function) -> None:
        rejections = _backoff()
        errors = 0
        while (error := await self._attempt(event, target)) is not None:
            if isinstance(error, RefusedError):
                wait = next(rejections)
            elif errors < target.max_retries:
                wait = scaled(_AFTER_ERROR_SECONDS[errors])
                errors += 1
            else:
                return self._drop(event, target, error)
            if event.expires_within(wait, target):
                return self._drop(event, target, error)
            await asyncio.sleep(wait)
            try:
                # The current version: a fixed function processes its waiting events.
                target = find_arn(event.arn)
            except FunctionNotFoundError:
                _log.info("dropped event %s: function %s was deleted", event.request_id, target.name)
                return None
        return None

    async def _attempt(self, event: _Event, target: Function) -> FunctionError | None:
        stream = self._runner.invoke(target, event.payload, event.client_context, request_id=event.request_id)
        try:
            await stream.read()
        except FunctionError as error:
            return error
        return None

    def _drop(self, event: _Event, target: Function, error: FunctionError) -> None:
        _log.info("dropped event %s of function %s: %s", event.request_id, target.name, error.error_type)
        self._measure.dropped(target)


def _backoff() -> Iterator[float]:
    """Scaled seconds between attempts after rejections."""
    seconds = _AFTER_REJECTION_SECONDS
    while True:
        yield scaled(seconds)
        seconds = min(2 * seconds, _AFTER_REJECTION_MAX_SECONDS)
