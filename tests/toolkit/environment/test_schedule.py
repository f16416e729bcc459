"""Cron expressions and times, as Application Auto Scaling understands them."""

from __future__ import annotations

import string
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.environment.capacity import AT, CRON, TIMEZONE

FAST = settings(deadline=None, derandomize=True)


@FAST
@given(text=st.text(string.printable, max_size=20))
def test_anything_else_is_a_mistake_that_is_told(text: str) -> None:
    for checked in (CRON, AT, TIMEZONE):
        mistake = checked.check(text)
        assert mistake is None or (mistake.reason and mistake.remedy)


@pytest.mark.parametrize(
    ("at", "right"),
    [
        ("2026-12-24T18:00:00", True),
        ("2028-02-29T00:00:00", True),
        ("2026-02-29T00:00:00", False),
        ("2026-12-24 18:00:00", False),
        ("2026-12-24T18:00", False),
        ("2026-12-24T18:00:00+01:00", False),
        ("2026-12-24T24:00:00", False),
    ],
)
def test_times(at: str, right: bool) -> None:
    assert (AT.check(at) is None) is right


@pytest.mark.parametrize(
    ("zone", "right"),
    [
        ("UTC", True),
        ("Asia/Shanghai", True),
        ("Etc/GMT+9", True),
        ("CEST", False),
        ("../passwd", False),
        ("", False),
    ],
)
def test_time_zones(zone: str, right: bool) -> None:
    assert (TIMEZONE.check(zone) is None) is right


def test_a_machine_without_time_zones_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(key: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", nowhere)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert TIMEZONE.check("Europe/Berlin") is None
