"""CloudWatch Logs of the embedded cloud, for what runs in it: containers and functions."""

from __future__ import annotations

import time
from collections.abc import Iterable

from toolkit.local.service import ACCOUNT_ID, DEFAULT_REGION

# Streams are kept in memory; a talkative container must not fill it.
MAX_EVENTS_PER_STREAM = 20_000


def put(group: str, stream: str, lines: Iterable[str], *, region: str = DEFAULT_REGION) -> None:
    """Append lines to a log stream, with the present time.

    The group and the stream are created if they are missing, as SageMaker and Lambda do; a group made
    this way has no retention. Of a stream the newest `MAX_EVENTS_PER_STREAM` lines are kept, at least
    half of them. May be called from any thread.
    """
    from moto.logs.models import logs_backends

    now = int(time.time() * 1000)
    # CloudWatch Logs refuses empty messages.
    events = [{"message": line, "timestamp": now} for line in lines if line]
    backend = logs_backends[ACCOUNT_ID][region]
    backend.ensure_log_group(group)
    backend.ensure_log_stream(group, stream)
    if not events:
        return
    backend.put_log_events(group, stream, events)
    kept = backend.groups[group].streams[stream].events
    if len(kept) > MAX_EVENTS_PER_STREAM:
        del kept[: -MAX_EVENTS_PER_STREAM // 2]
