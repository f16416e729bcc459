"""Writes the output of containers and functions to CloudWatch Logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from toolkit.local import deferred
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import DEFAULT_REGION

# Log streams are kept in memory.
MAX_EVENTS_PER_STREAM = 20_000


class _Stream(NamedTuple):
    region: str
    group: str
    name: str


# Events that are not written yet: moto takes as long for one as for all of a stream.
_pending: dict[_Stream, list[dict[str, Any]]] = {}
_lock = threading.Lock()


def put(group: str, stream: str, lines: Iterable[str], *, region: str = DEFAULT_REGION) -> None:
    """Append lines to a log stream, with the current time.

    Creates a missing group (without retention) and stream, as SageMaker and Lambda do. A stream keeps its
    newest lines: at most `MAX_EVENTS_PER_STREAM`, at least half of that. Thread-safe.
    """
    now = int(time.time() * 1000)
    # CloudWatch Logs rejects empty messages.
    events = [{"message": line, "timestamp": now} for line in lines if line]
    with _lock:
        _pending.setdefault(_Stream(region, group, stream), []).extend(events)
    deferred.later(_write)


def _write() -> None:
    with _lock:
        pending = dict(_pending)
        _pending.clear()
    for stream, events in pending.items():
        _append(stream, events)


def _append(stream: _Stream, events: list[dict[str, Any]]) -> None:
    from moto.logs.models import logs_backends

    backend = logs_backends[ACCOUNT_ID][stream.region]
    backend.ensure_log_group(stream.group)
    backend.ensure_log_stream(stream.group, stream.name)
    if not events:
        return
    # The clock may have been set back, and moto refuses events in another order.
    backend.put_log_events(stream.group, stream.name, sorted(events, key=lambda event: event["timestamp"]))
    stored = backend.groups[stream.group].streams[stream.name].events
    if len(stored) > MAX_EVENTS_PER_STREAM:
        del stored[: -MAX_EVENTS_PER_STREAM // 2]
