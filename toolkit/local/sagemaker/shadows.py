"""Copies of requests for shadow variants: no client waits for their answers, or learns of their errors."""

from __future__ import annotations

import asyncio
import logging

from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.invocation import Call

_log = logging.getLogger(__name__)

# A shadow that is slower than what it shadows must not fill memory with requests that wait for it.
MAX_PENDING = 100


class Shadows:
    """Copies in progress."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Task[None]] = set()

    def send(self, call: Call) -> None:
        """Send a copy, unless too many have no answer yet."""
        if len(self._pending) < MAX_PENDING:
            task = asyncio.create_task(_send(call))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def stop(self) -> None:
        """Forget all copies."""
        for task in list(self._pending):
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


async def _send(call: Call) -> None:
    try:
        await call.read()
    except ApiError as error:
        # Published as a metric of the shadow variant, and in its container's log.
        _log.debug("a copy for a shadow variant: %s", error)
