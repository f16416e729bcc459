"""Cron expressions of AWS."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.cron import Cron, CronError

FAST = settings(deadline=None, derandomize=True)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def field(lowest: int, highest: int, words: list[str]) -> st.SearchStrategy[str]:
    """The values of a field in the reference: `*`, values, ranges, lists and steps."""
    value = st.integers(lowest, highest).map(str) | (st.sampled_from(words) if words else st.nothing())
    span = st.just("*") | value | st.tuples(value, value).map("-".join)
    item = span | st.tuples(span, st.integers(1, 30).map(str)).map("/".join)
    return st.lists(item, min_size=1, max_size=3).map(",".join)


DAY_OF_MONTH = field(1, 31, []) | st.sampled_from(["L", "LW", "1W", "31W"])
DAY_OF_WEEK = field(1, 7, DAYS) | st.sampled_from(["L", "5L", "FRIL", "3#2", "MON#1"])
DAYS_OF_MONTH_OR_WEEK = st.tuples(DAY_OF_MONTH, st.just("?")) | st.tuples(st.just("?"), DAY_OF_WEEK)


@FAST
@given(
    minutes=field(0, 59, []),
    hours=field(0, 23, []),
    days=DAYS_OF_MONTH_OR_WEEK,
    month=field(1, 12, MONTHS),
    year=field(1970, 2199, []),
)
def test_everything_in_the_reference_is_valid(
    minutes: str, hours: str, days: tuple[str, str], month: str, year: str
) -> None:
    Cron(f"{minutes} {hours} {days[0]} {month} {days[1]} {year}")


@pytest.mark.parametrize(
    ("text", "due", "not_due"),
    [
        ("0 8 ? * MON-FRI *", "2026-11-23 08:00", "2026-11-22 08:00"),
        ("0 8 ? * 2-6 *", "2026-11-23 08:00", "2026-11-23 08:01"),
        ("0/15 * * * ? *", "2026-11-22 13:45", "2026-11-22 13:50"),
        ("5,10 9-17/4 * * ? *", "2026-11-22 13:10", "2026-11-22 12:10"),
        ("0 0 1 JAN,JUL ? 2026-2027", "2026-07-01 00:00", "2028-07-01 00:00"),
        ("0 0 L * ? *", "2028-02-29 00:00", "2028-02-28 00:00"),
        ("0 0 LW * ? *", "2026-05-29 00:00", "2026-05-31 00:00"),
        ("0 0 15W * ? *", "2026-08-14 00:00", "2026-08-15 00:00"),
        ("0 0 1W * ? *", "2026-08-03 00:00", "2026-08-01 00:00"),
        ("0 0 ? * 6L *", "2026-11-27 00:00", "2026-11-20 00:00"),
        ("0 0 ? * L *", "2026-11-28 00:00", "2026-11-29 00:00"),
        ("0 0 ? * TUE#2 *", "2026-11-10 00:00", "2026-11-03 00:00"),
    ],
)
def test_an_expression_matches_its_minutes(text: str, due: str, not_due: str) -> None:
    cron = Cron(text)
    assert cron.matches(datetime.fromisoformat(due))
    assert not cron.matches(datetime.fromisoformat(not_due))


@FAST
@given(
    minutes=field(0, 59, []), hours=field(0, 23, []), days=DAYS_OF_MONTH_OR_WEEK, month=field(1, 12, MONTHS)
)
def test_the_moments_are_the_minutes_that_match(
    minutes: str, hours: str, days: tuple[str, str], month: str
) -> None:
    cron = Cron(f"{minutes} {hours} {days[0]} {month} {days[1]} *")
    first = datetime(2026, 2, 27)
    every = [first + timedelta(minutes=number) for number in range(3 * 24 * 60)]
    assert list(cron.moments(first.date(), 3)) == [moment for moment in every if cron.matches(moment)]


@pytest.mark.parametrize(
    "cron",
    [
        "0 8 * * 1-5",  # crontab has five fields
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
        "1" * 6000 + " 8 ? * * *",
        "*/" + "1" * 6000 + " 8 ? * * *",
        "",
    ],
)
def test_an_invalid_expression_is_refused(cron: str) -> None:
    with pytest.raises(CronError) as caught:
        Cron(cron)
    assert caught.value.remedy
