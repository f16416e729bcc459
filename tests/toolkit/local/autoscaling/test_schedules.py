"""Schedules, as Application Auto Scaling writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from toolkit.local.autoscaling.schedules import Cron, Schedule, ScheduleError


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
def test_a_cron_expression_is_due(text: str, due: str, not_due: str) -> None:
    cron = Cron(text)
    assert cron.matches(datetime.fromisoformat(due))
    assert not cron.matches(datetime.fromisoformat(not_due))


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 8 * * * *)",
        "cron(0 8 ? * MON)",
        "cron(61 8 ? * MON *)",
        "at(tomorrow)",
        "rate(0 minutes)",
        "now",
    ],
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.of(expression, None)
    with pytest.raises(ScheduleError, match="no time zone"):
        Schedule.of("rate(5 minutes)", "Europe/Atlantis")


def test_a_time_is_that_of_its_zone() -> None:
    at = Schedule.of("at(2026-07-01T09:00:00)", "Europe/Berlin").at
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert Schedule.of("rate(2 hours)", None).every == 7200
