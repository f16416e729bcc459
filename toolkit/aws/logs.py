"""CloudWatch log groups: the newest lines, or every event once as it arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import FilteredLogEventTypeDef

# `tail` lists one page of streams, enough to include the new ones of a quiet fleet, and reads a few of them.
STREAMS_LISTED = 50
STREAMS_READ = 5
# CloudWatch may show an event seconds after newer ones, so each read of LogReader starts this far back.
OVERLAP_MILLISECONDS = 30_000
# FilterLogEvents allows five calls a second for an account and region.
_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.2


def tail(access: AwsAccess, group: str, lines: int, created: datetime | None = None) -> list[str]:
    """The newest messages of a log group's newest streams, oldest first; empty if there are none.

    Args:
        access: the account.
        group: the log group.
        lines: how many messages.
        created: ignore streams created before this moment.

    Raises:
        botocore.exceptions.ClientError: CloudWatch Logs refused for another reason than a missing group.
    """
    try:
        streams = access.logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=STREAMS_LISTED
        )["logStreams"]
    except access.logs.exceptions.ResourceNotFoundException:
        return []
    earliest = created.timestamp() * 1000 if created else 0
    recent = [stream["logStreamName"] for stream in streams if stream["creationTime"] >= earliest]
    events: list[tuple[int, str]] = []
    for stream in recent[:STREAMS_READ]:
        page = access.logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
        )
        events += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
    return [message for _, message in sorted(events, key=lambda event: event[0])][-lines:]


def pages(
    access: AwsAccess, group: str, start: int, end: int | None = None, pattern: str | None = None
) -> Iterator[list[FilteredLogEventTypeDef]]:
    """Pages of a log group's events, oldest first, at most 1 MB each; none if the group does not exist.

    Args:
        access: the account.
        group: the log group.
        start: earliest time, in milliseconds since the epoch.
        end: latest time, likewise; None: now.
        pattern: CloudWatch's filter pattern. The embedded cloud ignores those for members of JSON.
    """
    options: dict[str, Any] = {"endTime": end, "filterPattern": pattern}
    paginator = access.logs.get_paginator("filter_log_events")
    try:
        for page in paginator.paginate(
            logGroupName=group,
            startTime=start,
            interleaved=True,
            **{name: value for name, value in options.items() if value is not None},
        ):
            yield page["events"]
    except access.logs.exceptions.ResourceNotFoundException:
        # The first writer creates the group.
        return


@dataclass(frozen=True)
class LogEvent:
    """One line of a log.

    Attributes:
        source: the caller's name for the log group.
        timestamp: milliseconds since the epoch.
        message: without the line end.
    """

    source: str
    timestamp: int
    message: str


class LogReader:
    """Reads each event of several log groups once.

    Args:
        access: the account.
        groups: names of log groups by source; a missing group counts as empty.
        since: earliest event, in milliseconds since the epoch.
    """

    def __init__(self, access: AwsAccess, groups: Mapping[str, str], since: int) -> None:
        self._access = access
        self._groups = groups
        self._starts = dict.fromkeys(groups, since)
        self._timestamps: dict[str, dict[str, int]] = {source: {} for source in groups}

    @property
    def sources(self) -> Sequence[str]:
        """The caller's names for the groups."""
        return tuple(self._groups)

    def read(self) -> list[LogEvent]:
        """The events not read before, oldest first."""
        events = [event for source in self._groups for event in self._new(source)]
        return sorted(events, key=lambda event: event.timestamp)

    def follow(self, wait: Callable[[float], None] = time.sleep) -> Iterator[Sequence[LogEvent]]:
        """Read repeatedly, without end.

        Args:
            wait: sleeps for a number of seconds.
        """
        seconds = _LOCAL_POLL_SECONDS if self._access.endpoint_url else _POLL_SECONDS
        while True:
            yield self.read()
            wait(seconds)

    def _new(self, source: str) -> Iterator[LogEvent]:
        timestamps, newest = self._timestamps[source], self._starts[source]
        for identifier, event in self._all_since(source, self._starts[source]):
            newest = max(newest, event.timestamp)
            if identifier not in timestamps:
                timestamps[identifier] = event.timestamp
                yield event
        start = max(self._starts[source], newest - OVERLAP_MILLISECONDS)
        self._starts[source] = start
        self._timestamps[source] = {name: moment for name, moment in timestamps.items() if moment >= start}

    def _all_since(self, source: str, start: int) -> Iterator[tuple[str, LogEvent]]:
        for events in pages(self._access, self._groups[source], start):
            for event in events:
                message = event["message"].rstrip("\r\n")
                yield event["eventId"], LogEvent(source, event["timestamp"], message)
