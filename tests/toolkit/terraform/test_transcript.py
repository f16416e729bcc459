"""Terraform's output: JSON lines and others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.terraform.progress import Activity
from toolkit.terraform.transcript import Change, Counts, Transcript

NAMES = st.sampled_from(
    ["change", "changes", "hook", "resource", "addr", "action", "outputs", "diagnostic", "range", "state"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(
    [
        "diagnostic",
        "planned_change",
        "resource_drift",
        "change_summary",
        "outputs",
        "log",
        "apply_start",
        "apply_complete",
        "apply_errored",
        "refresh_start",
        "refresh_complete",
        "of the future",
    ]
)


def test_plan_messages() -> None:
    transcript = Transcript()
    resource = {"addr": "module.a.aws_x.y[0]", "resource_type": "aws_x"}
    change = {"resource": resource, "action": "replace", "reason": "cannot_update"}
    transcript.feed(json.dumps({"type": "planned_change", "change": change}))
    transcript.feed(
        json.dumps({"type": "resource_drift", "change": {**change, "action": "update", "reason": ""}})
    )
    transcript.feed(
        json.dumps({"type": "change_summary", "changes": {"add": 1, "change": 2, "remove": 3, "import": 4}})
    )
    assert transcript.changes == [Change("module.a.aws_x.y[0]", "replace", "aws_x", "cannot_update")]
    assert [drift.action for drift in transcript.drift] == ["update"]
    assert transcript.counts == Counts(add=1, change=2, remove=3, imported=4)


def test_outputs_are_used_only_if_complete() -> None:
    complete, withheld = Transcript(), Transcript()
    open_one = {"sensitive": False, "value": [1]}
    complete.feed(json.dumps({"type": "outputs", "outputs": {"a": open_one}}))
    withheld.feed(json.dumps({"type": "outputs", "outputs": {"a": open_one, "b": {"sensitive": True}}}))
    assert complete.outputs == {"a": [1]}
    assert withheld.outputs is None


@pytest.mark.parametrize("line", ["plain", '{"half', "{}", '{"type": 1}', "[1]", "{no JSON}"])
def test_lines_without_a_type_are_plain_text(line: str) -> None:
    transcript = Transcript()
    assert transcript.feed(line) is None
    assert list(transcript.plain) == [line]


def test_plain_text_is_kept_up_to_a_limit() -> None:
    transcript = Transcript()
    for number in range(1000):
        assert transcript.feed(f"line {number}") is None
    assert transcript.plain[-1] == "line 999" and len(transcript.plain) < 100


@given(st.text() | JSON.map(json.dumps))
def test_no_line_is_fatal(line: str) -> None:
    Transcript().feed(line)


@given(TYPES, st.dictionaries(NAMES, JSON))
def test_no_content_of_a_message_is_fatal(kind: str, content: dict[str, object]) -> None:
    event = Transcript().feed(json.dumps({"type": kind, **content}))
    assert event is not None
    activity = Activity()
    activity.feed(event)
    assert activity.text()
