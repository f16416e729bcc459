"""The grammar of scheduled actions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from toolkit.local.autoscaling.schedules import Schedule, ScheduleError


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
def test_invalid_schedules_are_rejected(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.of(expression, None)
    with pytest.raises(ScheduleError, match="unknown time zone"):
        Schedule.of("rate(5 minutes)", "Europe/Atlantis")


def test_a_time_is_in_its_zone() -> None:
    at = Schedule.of("at(2026-07-01T09:00:00)", "Europe/Berlin").at
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert Schedule.of("rate(2 hours)", None).every == 7200
