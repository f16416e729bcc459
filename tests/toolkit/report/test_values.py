"""Differences between values: what is shown of them, and what never is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolkit.report.values import Difference, differences

SECRET = "correct horse"


def told(before: Any, after: Any, **marks: Any) -> list[tuple[str, str | None, str | None]]:
    found = differences({"before": before, "after": after, **marks})
    return [(each.path, each.old, each.new) for each in found]


def test_each_attribute_that_differs_is_named_with_both_values() -> None:
    before = {"memory": 512, "tags": {"a": "1"}, "blocks": [{"x": 1}, {"x": 2}]}
    after = {"memory": 1024, "tags": {"a": "1", "b": "2"}, "blocks": [{"x": 1}]}
    assert told(before, after) == [
        ("memory", "512", "1024"),
        ("tags.b", None, '"2"'),
        ("blocks[1].x", "2", None),
    ]


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_one_nothing_is_like_another(nothing: Any) -> None:
    assert told({"tags": nothing}, {"tags": None}) == []
    assert told({"tags": None}, {"tags": nothing}) == []


def test_documents_in_strings_are_compared_by_what_they_say() -> None:
    before = {"policy": json.dumps({"Action": ["s3:Get"], "Sid": "a"})}
    after = {"policy": json.dumps({"Sid": "a", "Action": ["s3:Put"]})}
    assert told(before, after) == [("policy.Action[0]", '"s3:Get"', '"s3:Put"')]


def test_what_is_known_only_later_is_said() -> None:
    assert told({"url": "x"}, {}, after_unknown={"url": True}) == [("url", '"x"', "(known after apply)")]


@pytest.mark.parametrize(
    ("before", "after", "marks"),
    [
        ({"key": "old"}, {"key": SECRET}, {"after_sensitive": {"key": True}}),
        ({"key": SECRET}, {"key": "new"}, {"before_sensitive": {"key": True}}),
        ({"a": [{"b": SECRET}]}, {"a": [{"b": "new"}]}, {"before_sensitive": {"a": [{"b": True}]}}),
        ({"a": {"b": SECRET}}, {"a": {"b": "x"}}, {"before_sensitive": {"a": True}}),
        ({"a": json.dumps({"b": SECRET})}, {"a": "{}"}, {"before_sensitive": {"a": True}}),
        ({"a": SECRET}, {"a": None}, {"before_sensitive": True}),
        ({"a": None}, {}, {"after_unknown": {"a": True}, "after_sensitive": {"a": True}}),
    ],
)
def test_sensitive_values_are_never_shown(before: Any, after: Any, marks: Any) -> None:
    found = told(before, after, **marks)
    assert found
    assert SECRET not in repr(found)
    assert "(sensitive)" in repr(found)


def test_a_sensitive_value_that_stays_is_no_difference() -> None:
    marks = {"before_sensitive": {"key": True}, "after_sensitive": {"key": True}}
    assert told({"key": SECRET}, {"key": SECRET}, **marks) == []


def test_what_forces_a_replacement_is_marked() -> None:
    change = {"before": {"name": "a", "x": 1}, "after": {"name": "b", "x": 2}, "replace_paths": [["name"]]}
    assert differences(change) == [
        Difference("name", '"a"', '"b"', forces_replacement=True),
        Difference("x", "1", "2"),
    ]


def test_long_values_are_cut() -> None:
    ((_, _, new),) = told({"body": "a"}, {"body": "b" * 5000})
    assert new is not None
    assert len(new) < 300
    assert "5002 characters" in new
