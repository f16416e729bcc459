from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from toolkit.local import logs


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@mock_aws
def test_lines_are_kept_in_order_without_empty_ones() -> None:
    logs.put("/aws/lambda/f", "2026/01/01/[$LATEST]1", ["one", "", "two"])
    logs.put("/aws/lambda/f", "2026/01/01/[$LATEST]1", ["three"])
    events = boto3.client("logs", "us-east-1").get_log_events(
        logGroupName="/aws/lambda/f", logStreamName="2026/01/01/[$LATEST]1", startFromHead=True
    )["events"]
    assert [event["message"] for event in events] == ["one", "two", "three"]


@mock_aws
def test_an_existing_group_keeps_its_retention() -> None:
    client = boto3.client("logs", "eu-west-1")
    client.create_log_group(logGroupName="/mine")
    client.put_retention_policy(logGroupName="/mine", retentionInDays=7)
    logs.put("/mine", "s", ["line"], region="eu-west-1")
    assert client.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7


@mock_aws
def test_a_long_stream_keeps_its_newest_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_EVENTS_PER_STREAM", 10)
    for number in range(25):
        logs.put("/g", "s", [f"line {number}"])
    events = boto3.client("logs", "us-east-1").get_log_events(
        logGroupName="/g", logStreamName="s", startFromHead=True
    )["events"]
    assert 5 <= len(events) <= 10
    assert events[-1]["message"] == "line 24"
