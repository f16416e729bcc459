"""Work that no request waits for: CloudWatch shows log events and metrics some time after they occurred.

It is done a moment later, or as soon as a request to an AWS API or an alarm could read its results.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

# Longer than it takes to pass on a response's first byte.
_SECONDS = 0.1

Work = Callable[[], None]

_queue: deque[Work] = deque()
_lock = threading.RLock()
# The event loop with a timer for the queue.
_scheduled: asyncio.AbstractEventLoop | None = None


def later(work: Work) -> None:
    """Do `work` after all earlier work; outside of an event loop, at once. Thread-safe."""
    global _scheduled  # noqa: PLW0603 the process has one queue
    _queue.append(work)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        finish()
        return
    if _scheduled is not loop:
        _scheduled = loop
        loop.call_later(_SECONDS, _finish_scheduled)


def _finish_scheduled() -> None:
    global _scheduled  # noqa: PLW0603
    _scheduled = None
    finish()


def finish() -> None:
    """Do all work now. Thread-safe."""
    with _lock:
        while _queue:
            work = _queue.popleft()
            try:
                work()
            except Exception:  # noqa: BLE001 no request waits for it that could report the error
                _log.exception("deferred work failed")
