"""Cron expressions and times, as Application Auto Scaling understands them."""

from __future__ import annotations

import string
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.environment.capacity import AT, CRON, TIMEZONE

FAST = settings(deadline=None, derandomize=True)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def field(lowest: int, highest: int, words: list[str]) -> st.SearchStrategy[str]:
    """What the reference allows in a field: `*`, values, ranges, lists and steps."""
    value = st.integers(lowest, highest).map(str) | (st.sampled_from(words) if words else st.nothing())
    span = st.just("*") | value | st.tuples(value, value).map("-".join)
    item = span | st.tuples(span, st.integers(1, 30).map(str)).map("/".join)
    return st.lists(item, min_size=1, max_size=3).map(",".join)


DAY_OF_MONTH = field(1, 31, []) | st.sampled_from(["L", "LW", "1W", "31W"])
DAY_OF_WEEK = field(1, 7, DAYS) | st.sampled_from(["L", "5L", "FRIL", "3#2", "MON#1"])
DAYS_OF_BOTH_KINDS = st.tuples(DAY_OF_MONTH, st.just("?")) | st.tuples(st.just("?"), DAY_OF_WEEK)


@FAST
@given(
    minutes=field(0, 59, []),
    hours=field(0, 23, []),
    days=DAYS_OF_BOTH_KINDS,
    month=field(1, 12, MONTHS),
    year=field(1970, 2199, []),
)
def test_whatever_the_reference_allows(
    minutes: str, hours: str, days: tuple[str, str], month: str, year: str
) -> None:
    assert CRON.check(f"{minutes} {hours} {days[0]} {month} {days[1]} {year}") is None


@FAST
@given(text=st.text(string.printable, max_size=20))
def test_anything_else_is_a_mistake_that_is_told(text: str) -> None:
    for checked in (CRON, AT, TIMEZONE):
        mistake = checked.check(text)
        assert mistake is None or (mistake.wrong and mistake.right)


@pytest.mark.parametrize(
    "cron",
    [
        "0 8 * * 1-5",  # of crontab: five fields
        "60 8 ? * * *",
        "0 24 ? * * *",
        "0 8 32 * ? *",
        "0 8 0 * ? *",
        "0 8 ? 13 * *",
        "0 8 ? * 8 *",
        "0 8 ? * 0 *",
        "0 8 ? * MO *",
        "0 8 ? * mon *",
        "0 8 ? * * 1969",
        "0 8 * * * *",
        "0 8 ? * ? *",
        "0 8 ? * 3#6 *",
        "*/0 8 ? * * *",
        "*/x 8 ? * * *",
        "1-2-3 8 ? * * *",
        "1, 8 ? * * *",
        "-1 8 ? * * *",
        "٣ 8 ? * * *",
        "",
    ],
)
def test_what_it_does_not_allow(cron: str) -> None:
    assert CRON.check(cron) is not None


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
