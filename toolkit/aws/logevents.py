"""Events of CloudWatch log groups, once and as they come: none lost, none twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from toolkit.aws.access import AwsAccess

# CloudWatch shows some events seconds after newer ones: each look goes so far back.
OVERLAP_MILLISECONDS = 30_000
# FilterLogEvents may be called five times a second by everybody in an account together.
_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class LogEvent:
    """One line of a log.

    Attributes:
        source: whose log it is, as the caller named the group.
        timestamp: milliseconds since the epoch.
        message: without the end of the line.
    """

    source: str
    timestamp: int
    message: str


class LogReader:
    """Reads several log groups from a moment on.

    Args:
        access: the account.
        groups: names of log groups by what they are to be called; one that is missing has no events yet.
        since: milliseconds since the epoch.
    """

    def __init__(self, access: AwsAccess, groups: Mapping[str, str], since: int) -> None:
        self._access = access
        self._groups = groups
        self._starts = dict.fromkeys(groups, since)
        self._seen: dict[str, dict[str, int]] = {source: {} for source in groups}

    @property
    def sources(self) -> Sequence[str]:
        """What the groups are called."""
        return tuple(self._groups)

    def read(self) -> list[LogEvent]:
        """The events that were not read before, oldest first."""
        events = [event for source in self._groups for event in self._new(source)]
        return sorted(events, key=lambda event: event.timestamp)

    def follow(self, wait: Callable[[float], None] = time.sleep) -> Iterator[Sequence[LogEvent]]:
        """Read again and again; ends never.

        Args:
            wait: lets seconds pass.
        """
        seconds = _LOCAL_POLL_SECONDS if self._access.endpoint_url else _POLL_SECONDS
        while True:
            yield self.read()
            wait(seconds)

    def _new(self, source: str) -> Iterator[LogEvent]:
        seen, newest = self._seen[source], self._starts[source]
        for identifier, event in self._all_since(source, self._starts[source]):
            newest = max(newest, event.timestamp)
            if identifier not in seen:
                seen[identifier] = event.timestamp
                yield event
        start = max(self._starts[source], newest - OVERLAP_MILLISECONDS)
        self._starts[source] = start
        self._seen[source] = {name: when for name, when in seen.items() if when >= start}

    def _all_since(self, source: str, start: int) -> Iterator[tuple[str, LogEvent]]:
        pages = self._access.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._groups[source], startTime=start, interleaved=True
        )
        try:
            for page in pages:
                for event in page["events"]:
                    message = event["message"].rstrip("\r\n")
                    yield event["eventId"], LogEvent(source, event["timestamp"], message)
        except self._access.logs.exceptions.ResourceNotFoundException:
            # Whoever writes to it first makes it.
            return
