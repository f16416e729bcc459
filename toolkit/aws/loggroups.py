"""Reading CloudWatch log groups."""

from __future__ import annotations

from toolkit.aws.access import AwsAccess


def tail(access: AwsAccess, group: str, lines: int) -> list[str]:
    """The newest `lines` messages of a log group over all its streams, oldest first; empty if it has none.

    Raises:
        botocore.exceptions.ClientError: CloudWatch Logs refused for another reason than a missing group.
    """
    try:
        streams = access.logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=5
        )["logStreams"]
    except access.logs.exceptions.ResourceNotFoundException:
        return []
    events: list[tuple[int, str]] = []
    for stream in streams:
        page = access.logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], limit=lines, startFromHead=False
        )
        events += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
    return [message for _, message in sorted(events, key=lambda event: event[0])][-lines:]
