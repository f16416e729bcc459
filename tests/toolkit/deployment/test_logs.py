"""Log lines for people and for programs."""

from __future__ import annotations

import json

from toolkit.aws.logs import LogEvent
from toolkit.deployment.logs import as_json, as_line

AT = 1_700_000_000_123


def text(message: str) -> str:
    return as_line(LogEvent("gateway", AT, message), 0).partition("  ")[2]


def test_a_request_is_readable() -> None:
    fields = {"level": "INFO", "message": "request", "method": "POST", "path": "/v1/x", "status": 200}
    metrics = {"Namespace": "N", "Dimensions": [["Model"]], "Metrics": [{"Name": "Tokens"}]}
    embedded = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [metrics]}, "Model": "m", "Tokens": 3}
    extra = {"model": "m", "tokens": 3, **embedded}
    assert text(json.dumps(fields | extra)) == "POST /v1/x 200 model=m tokens=3"
    assert text(json.dumps({**fields, "level": "ERROR"})) == "ERROR POST /v1/x 200"
    assert text(json.dumps({"message": "hello", "n": [1]})) == "hello n=[1]"
    assert text(json.dumps({"message": "x", "_aws": 1})) == "x"


def test_messages_other_than_json_objects_are_unchanged() -> None:
    for message in ("plain", "{no json", "[1]", "a\tb"):
        assert text(message) == message


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert text("\x1b[2Jgone") == "\\x1b[2Jgone"
    assert "\x1b" not in text(json.dumps({"message": "\x1b[2J"}))


def test_sources_are_aligned() -> None:
    assert "  gateway     x" in as_line(LogEvent("gateway", AT, "x"), 10)


def test_json_contains_the_complete_message() -> None:
    line = json.loads(as_json(LogEvent("g", AT, '{"a": {"b": 1}}')))
    assert line == {"time": "2023-11-14T22:13:20.123Z", "source": "g", "message": {"a": {"b": 1}}}
    assert json.loads(as_json(LogEvent("g", AT, "plain")))["message"] == "plain"
