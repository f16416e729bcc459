"""Severities in words."""

from __future__ import annotations

import pytest

from toolkit.errors import InputError
from toolkit.policy import Severity


def test_as_users_write_them() -> None:
    assert Severity.parse("high") is Severity.parse("HIGH") is Severity.HIGH
    assert str(Severity.CRITICAL) == "critical"
    assert sorted(map(Severity.parse, ("critical", "low", "high", "medium"))) == list(Severity)


def test_an_unknown_one_says_which_there_are() -> None:
    with pytest.raises(InputError) as caught:
        Severity.parse("severe")
    assert "low, medium, high, critical" in str(caught.value)
