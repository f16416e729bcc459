"""Writes the output of containers and functions to CloudWatch Logs."""

from __future__ import annotations

import time
from collections.abc import Iterable

from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import DEFAULT_REGION

# Log streams are kept in memory.
MAX_EVENTS_PER_STREAM = 20_000


def put(group: str, stream: str, lines: Iterable[str], *, region: str = DEFAULT_REGION) -> None:
    """Append lines to a log stream, with the current time.

    Creates a missing group (without retention) and stream, as SageMaker and Lambda do. A stream keeps its
    newest lines: at most `MAX_EVENTS_PER_STREAM`, at least half of that. Thread-safe.
    """
    from moto.logs.models import logs_backends

    now = int(time.time() * 1000)
    # CloudWatch Logs rejects empty messages.
    events = [{"message": line, "timestamp": now} for line in lines if line]
    backend = logs_backends[ACCOUNT_ID][region]
    backend.ensure_log_group(group)
    backend.ensure_log_stream(group, stream)
    if not events:
        return
    backend.put_log_events(group, stream, events)
    stored = backend.groups[group].streams[stream].events
    if len(stored) > MAX_EVENTS_PER_STREAM:
        del stored[: -MAX_EVENTS_PER_STREAM // 2]
