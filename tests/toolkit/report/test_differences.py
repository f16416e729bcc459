"""Differences between two versions of a resource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolkit.report.differences import Difference, differences

SECRET = "correct horse"


def diff(before: Any, after: Any, **marks: Any) -> list[tuple[str, str | None, str | None]]:
    changed = differences({"before": before, "after": after, **marks})
    return [(difference.path, difference.old, difference.new) for difference in changed]


def test_changed_attributes_have_path_old_and_new_value() -> None:
    before = {"memory": 512, "tags": {"a": "1"}, "blocks": [{"x": 1}, {"x": 2}]}
    after = {"memory": 1024, "tags": {"a": "1", "b": "2"}, "blocks": [{"x": 1}]}
    assert diff(before, after) == [
        ("memory", "512", "1024"),
        ("tags.b", None, '"2"'),
        ("blocks[1].x", "2", None),
    ]


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_empty_and_unset_values_are_equal(empty: Any) -> None:
    assert diff({"tags": empty}, {"tags": None}) == []
    assert diff({"tags": None}, {"tags": empty}) == []


def test_json_in_strings_is_compared_by_content() -> None:
    before = {"policy": json.dumps({"Action": ["s3:Get"], "Sid": "a"})}
    after = {"policy": json.dumps({"Sid": "a", "Action": ["s3:Put"]})}
    assert diff(before, after) == [("policy.Action[0]", '"s3:Get"', '"s3:Put"')]


def test_unknown_values_are_marked() -> None:
    assert diff({"url": "x"}, {}, after_unknown={"url": True}) == [("url", '"x"', "(known after apply)")]


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
    changed = repr(diff(before, after, **marks))
    assert SECRET not in changed
    assert "(sensitive)" in changed


def test_an_unchanged_sensitive_value_is_not_a_difference() -> None:
    marks = {"before_sensitive": {"key": True}, "after_sensitive": {"key": True}}
    assert diff({"key": SECRET}, {"key": SECRET}, **marks) == []


def test_attributes_that_force_replacement_are_marked() -> None:
    change = {"before": {"name": "a", "x": 1}, "after": {"name": "b", "x": 2}, "replace_paths": [["name"]]}
    assert differences(change) == [
        Difference("name", '"a"', '"b"', forces_replacement=True),
        Difference("x", "1", "2"),
    ]


def test_long_values_are_truncated() -> None:
    ((_, _, new),) = diff({"body": "a"}, {"body": "b" * 5000})
    assert new is not None
    assert len(new) < 300
    assert "5002 characters" in new
