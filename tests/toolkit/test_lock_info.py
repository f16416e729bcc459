"""Lock objects with any content."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from toolkit.lock_info import LockInfo

LOCK = {
    "ID": "8c58637e-e1c3-59fc-261f-041ffcbf371c",
    "Operation": "OperationTypeApply",
    "Who": "ana@laptop",
    "Created": "2026-11-30T08:07:37Z",
}
VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=9),
    lambda inner: strategies.lists(inner, max_size=2),
    max_leaves=4,
)


def read(lock: Any) -> LockInfo:
    return LockInfo.from_json(json.dumps(lock).encode())


def test_a_lock_of_terraform_is_read() -> None:
    assert str(read(LOCK)) == "locked by ana@laptop since 2026-11-30T08:07:37Z (apply)"
    assert read(LOCK).id == LOCK["ID"]


@hypothesis.given(field=strategies.sampled_from(sorted(LOCK)), value=VALUES)
def test_a_field_of_any_type_is_readable(field: str, value: Any) -> None:
    assert "locked by" in str(read({**LOCK, field: value}))


@pytest.mark.parametrize(
    "value", [7, "", "-force", "8c58637e", None, ["8c58637e-e1c3-59fc-261f-041ffcbf371c"]]
)
def test_an_id_that_is_not_a_uuid_is_unreadable(value: Any) -> None:
    assert not read({**LOCK, "ID": value}).id


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_content_that_is_not_a_lock_has_no_id(content: bytes) -> None:
    assert not LockInfo.from_json(content).id
