"""Schedules of instance bounds."""

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
def test_any_other_text_has_a_reason_and_a_remedy(text: str) -> None:
    for checked in (CRON, AT, TIMEZONE):
        invalid = checked.check(text)
        assert invalid is None or (invalid.reason and invalid.remedy)


@pytest.mark.parametrize(
    ("at", "valid"),
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
def test_times(at: str, valid: bool) -> None:
    assert (AT.check(at) is None) is valid


@pytest.mark.parametrize(
    ("zone", "valid"),
    [
        ("UTC", True),
        ("Asia/Shanghai", True),
        ("Etc/GMT+9", True),
        ("CEST", False),
        ("../passwd", False),
        ("", False),
    ],
)
def test_time_zones(zone: str, valid: bool) -> None:
    assert (TIMEZONE.check(zone) is None) is valid


def test_zones_are_not_checked_without_a_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_not_found(key: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", raise_not_found)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert TIMEZONE.check("Europe/Berlin") is None
