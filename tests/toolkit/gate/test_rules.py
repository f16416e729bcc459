"""Severities."""

from __future__ import annotations

import pytest

from toolkit.errors import InputError
from toolkit.gate import Severity


def test_severities_are_parsed_printed_and_ordered() -> None:
    assert Severity.parse("high") is Severity.parse("HIGH") is Severity.HIGH
    assert str(Severity.CRITICAL) == "critical"
    assert sorted(map(Severity.parse, ("critical", "low", "high", "medium"))) == list(Severity)


def test_an_unknown_severity_lists_the_valid_ones() -> None:
    with pytest.raises(InputError) as caught:
        Severity.parse("severe")
    assert "low, medium, high, critical" in str(caught.value)
