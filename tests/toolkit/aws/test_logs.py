"""Log events of the embedded cloud: none lost, none twice."""

from __future__ import annotations

import time

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.aws.logs import LogReader, pages


def now() -> int:
    return int(time.time() * 1000)


def put(account: AwsAccess, group: str, stream: str, *events: tuple[int, str]) -> None:
    account.logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": timestamp, "message": text} for timestamp, text in events],
    )


@pytest.fixture
def group(account: AwsAccess, request: pytest.FixtureRequest) -> str:
    name = f"/test/{request.node.name}"
    account.logs.create_log_group(logGroupName=name)
    for stream in ("one", "two"):
        account.logs.create_log_stream(logGroupName=name, logStreamName=stream)
    return name


def messages(reader: LogReader) -> list[str]:
    return [event.message for event in reader.read()]


def test_events_come_in_order_and_once(account: AwsAccess, group: str) -> None:
    begin = now()
    put(account, group, "one", (begin - 90_000, "too old"), (begin, "1"), (begin + 20, "3\n"))
    put(account, group, "two", (begin + 10, "2"))
    reader = LogReader(account, {"g": group, "later": f"{group}/later"}, begin - 60_000)
    assert messages(reader) == ["1", "2", "3"]
    # At the same millisecond as one that was read, and before it, as CloudWatch shows some late.
    put(account, group, "two", (begin + 5, "late"), (begin + 20, "3"))
    assert messages(reader) == ["late", "3"]
    assert messages(reader) == []


def test_a_group_created_later_is_read(account: AwsAccess, group: str) -> None:
    reader = LogReader(account, {"later": f"{group}/later"}, now() - 60_000)
    assert messages(reader) == []
    account.logs.create_log_group(logGroupName=f"{group}/later")
    account.logs.create_log_stream(logGroupName=f"{group}/later", logStreamName="one")
    put(account, f"{group}/later", "one", (now(), "first"))
    assert [(event.source, event.message) for event in reader.read()] == [("later", "first")]


def test_events_on_several_pages_are_read(account: AwsAccess, group: str) -> None:
    begin = now()
    for part in range(2):
        put(account, group, "one", *((begin + i, f"{part}-{i}") for i in range(5500)))
    reader = LogReader(account, {"g": group}, begin)
    assert len({*messages(reader)}) == 11_000
    assert messages(reader) == []


def test_pages_cover_a_period_with_both_ends(account: AwsAccess, group: str) -> None:
    begin = now()
    put(account, group, "one", *((begin + i, f"{i}") for i in range(-1, 3)))
    events = [event["message"] for page in pages(account, group, begin, begin + 1) for event in page]
    assert events == ["0", "1"]
    assert list(pages(account, f"{group}/missing", begin)) == []
