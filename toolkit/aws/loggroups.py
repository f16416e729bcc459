"""Reading CloudWatch log groups."""

from __future__ import annotations

from datetime import datetime

from toolkit.aws.access import AwsAccess

# A page of streams, which also the new ones of a fleet that says little are on; and how many are read.
STREAMS_LOOKED_AT = 50
STREAMS_READ = 5


def tail(access: AwsAccess, group: str, lines: int, created: datetime | None = None) -> list[str]:
    """The newest messages of a log group over its newest streams, oldest first; empty if it has none.

    Args:
        access: the account.
        group: the log group.
        lines: how many messages.
        created: only of streams that were made at that moment or later.

    Raises:
        botocore.exceptions.ClientError: CloudWatch Logs refused for another reason than a missing group.
    """
    try:
        streams = access.logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=STREAMS_LOOKED_AT
        )["logStreams"]
    except access.logs.exceptions.ResourceNotFoundException:
        return []
    earliest = created.timestamp() * 1000 if created else 0
    young = [stream["logStreamName"] for stream in streams if stream["creationTime"] >= earliest]
    events: list[tuple[int, str]] = []
    for stream in young[:STREAMS_READ]:
        page = access.logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
        )
        events += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
    return [message for _, message in sorted(events, key=lambda event: event[0])][-lines:]
