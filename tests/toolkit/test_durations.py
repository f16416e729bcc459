"""Durations and times of options."""

from __future__ import annotations

import pytest

from toolkit.durations import parse_seconds
from toolkit.errors import InputError


@pytest.mark.parametrize(("duration", "value"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_units(duration: str, value: int) -> None:
    assert parse_seconds(duration, "--since") == value
    assert parse_seconds(duration, "--lock-timeout", unit_required=False) == value


@pytest.mark.parametrize("duration", ["", "10", "m", "1.5h", "-1m", "1w", "9" * 6000 + "s", "3651d"])
def test_invalid_durations_are_refused(duration: str) -> None:
    with pytest.raises(InputError, match="invalid duration"):
        parse_seconds(duration, "--since")


def test_a_number_without_a_unit_may_be_in_seconds() -> None:
    assert parse_seconds("90", "--lock-timeout", unit_required=False) == 90
