"""Edited environment files keep their comments, order and layout."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit.environment.document import parse
from toolkit.environment.editor import update
from toolkit.errors import InputError

FILES = sorted((ROOT / "terraform" / "environments").glob("*.yaml"))
ODD = """\
# A comment at the top.
models:
    'a':   # of four spaces
        capacity:
            max:  4    # as of May
            schedules:
            -   {name: x,   cron: "0 8 ? * MON-FRI *", min: 1}
            -   name: y
                at: "2026-12-24T18:00:00"
        aliases:  [ chat,
                    other ]

    b: {capacity: {max: 2}, aliases: [x]}
    c: &shared
        limits: {body_bytes: 1}
    d: {<<: *shared}
    e:
        description: >
            folded
            text
"""


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """The removed and the added lines."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_only_the_capacity_of_a_file_changes(file: Path) -> None:
    text = file.read_text()
    for model in parse(text).data["models"]:
        edited = update(text, ("models", model, "capacity"), {"max": 77, "measured": {"benchmark": "b"}}, "f")
        removed, added = changed(text, edited)
        assert {line.strip() for line in added} <= {"capacity:", "max: 77", "measured:", "benchmark: b"}
        assert all(line.strip().startswith("max:") for line in removed)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_other_layouts_are_kept(line_end: str) -> None:
    text = ODD.replace("\n", line_end)
    edited = update(text, ("models", "a", "capacity"), {"max": 5, "concurrent_requests": 2.5}, "f")
    removed, added = changed(text, edited)
    assert removed == ["            max:  4    # as of May"]
    assert [line.strip() for line in added] == ["max: 5     # as of May", "concurrent_requests: 2.5"]
    assert edited.count(line_end) == edited.count("\n")


def test_mappings_on_one_line() -> None:
    edited = update(ODD, ("models", "b", "capacity"), {"max": 5, "measured": {"benchmark": "b"}}, "f")
    removed, added = changed(ODD, edited)
    assert removed == ["    b: {capacity: {max: 2}, aliases: [x]}"]
    assert added == ["    b: {capacity: {max: 5, measured: {benchmark: b}}, aliases: [x]}"]


def test_a_merged_mapping_gets_its_own_key() -> None:
    edited = update(ODD, ("models", "d", "capacity"), {"max": 5}, "f")
    models = parse(edited).data["models"]
    assert (models["d"]["capacity"], models["d"]["limits"]) == ({"max": 5}, {"body_bytes": 1})
    assert "capacity" not in models["c"]


def test_a_shared_mapping_is_not_changed_for_others() -> None:
    text = "models:\n  a: {capacity: &capacity {max: 2}}\n  b: {capacity: *capacity}\n"
    with pytest.raises(InputError, match="an anchor or alias shares these keys") as caught:
        update(text, ("models", "b", "capacity"), {"max": 5}, "dev.yaml")
    assert caught.value.where == "dev.yaml: models.b.capacity"
    merged = "models:\n  a: &a {capacity: {max: 2}}\n  b: {<<: *a}\n"
    with pytest.raises(InputError, match="an anchor or alias shares these keys"):
        update(merged, ("models", "b", "capacity"), {"max": 5}, "dev.yaml")
