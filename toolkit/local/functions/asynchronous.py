"""Invocations that nobody waits for (type `Event`), tried again when they fail, as Lambda's own queue does.

After an error of the function twice, a minute and two minutes later. One that Lambda refuses, because too
many run or its role cannot be assumed, goes back to the queue until it is too old, with waits that grow
from a second to five minutes. The waits are scaled.
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
_AFTER_REFUSAL_SECONDS = 1.0
_AFTER_REFUSAL_MAX_SECONDS = 300.0


@dataclass(frozen=True)
class _Event:
    arn: str
    payload: bytes
    client_context: str | None
    request_id: str = field(default_factory=new_request_id)
    received: float = field(default_factory=time.monotonic)

    def expires_within(self, seconds: float, target: Function) -> bool:
        """Whether it is too old for `target` once so many seconds have passed."""
        return time.monotonic() + seconds - self.received > scaled(target.max_event_age_seconds)


class AsyncInvocations:
    """Takes events, and sees to it that their functions run.

    Args:
        runner: runs them.
        measure: told of events that came and that are given up.
    """

    def __init__(self, runner: Runner, measure: FunctionMetrics) -> None:
        self._runner = runner
        self._measure = measure

    def put(self, target: Function, payload: bytes, client_context: str | None = None) -> str:
        """Have a function run, some time; returns the request id of all attempts."""
        event = _Event(target.arn, payload, client_context)
        self._measure.received(target)
        self._runner.spawn(self._work(event, target))
        return event.request_id

    async def _work(self, event: _Event, target: Function) -> None:
        refusals = _growing()
        errors = 0
        while (error := await self._attempt(event, target)) is not None:
            if isinstance(error, RefusedError):
                wait = next(refusals)
            elif errors < target.max_retries:
                wait = scaled(_AFTER_ERROR_SECONDS[errors])
                errors += 1
            else:
                return self._drop(event, target, error)
            if event.expires_within(wait, target):
                return self._drop(event, target, error)
            await asyncio.sleep(wait)
            try:
                # As it is by then: whoever mends a function sees its events done.
                target = find_arn(event.arn)
            except FunctionNotFoundError:
                _log.info("event %s is dropped: %s is gone", event.request_id, target.name)
                return None
        return None

    async def _attempt(self, event: _Event, target: Function) -> FunctionError | None:
        answer = self._runner.invoke(target, event.payload, event.client_context, request_id=event.request_id)
        try:
            await answer.read()
        except FunctionError as error:
            return error
        return None

    def _drop(self, event: _Event, target: Function, error: FunctionError) -> None:
        _log.info("event %s of %s is dropped: %s", event.request_id, target.name, error.error_type)
        self._measure.dropped(target)


def _growing() -> Iterator[float]:
    """Seconds here between attempts after refusals."""
    seconds = _AFTER_REFUSAL_SECONDS
    while True:
        yield scaled(seconds)
        seconds = min(2 * seconds, _AFTER_REFUSAL_MAX_SECONDS)
