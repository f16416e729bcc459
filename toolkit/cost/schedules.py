"""The average bounds of a capacity that schedules change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from toolkit.cron import Cron
from toolkit.environment.capacity import Schedule

# Whole weeks, so that the weekdays count alike, and all months.
_DAYS = 364


def average_bounds(
    minimum: int, maximum: int, schedules: Iterable[Schedule], now: datetime | None = None
) -> tuple[float, float]:
    """The minimum and the maximum number of instances, on average over the next 52 weeks.

    Args:
        minimum: before the first schedule.
        maximum: before the first schedule.
        schedules: what changes them.
        now: beginning of that time; by default the present.
    """
    start = now or datetime.now(UTC)
    end = start + timedelta(days=_DAYS)
    # The year before tells which bounds are in force at the beginning.
    earliest = start - timedelta(days=_DAYS)
    changes = sorted(
        ((moment, schedule) for schedule in schedules for moment in _moments(schedule, earliest, end)),
        key=lambda change: change[0],
    )
    bounds = (minimum, maximum)
    sums = [0.0, 0.0]
    since = start
    for moment, schedule in changes:
        if moment > start:
            _add(sums, bounds, moment - since)
            since = moment
        bounds = _changed(bounds, schedule)
    _add(sums, bounds, end - since)
    return sums[0] / _DAYS, sums[1] / _DAYS


def _add(sums: list[float], bounds: tuple[int, int], time: timedelta) -> None:
    for index, bound in enumerate(bounds):
        sums[index] += bound * (time / timedelta(days=1))


def _changed(bounds: tuple[int, int], schedule: Schedule) -> tuple[int, int]:
    low, high = bounds
    return (
        low if schedule.min is None else schedule.min,
        high if schedule.max is None else schedule.max,
    )


def _moments(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """When a schedule changes the bounds, within a time."""
    zone = _zone(schedule.timezone)
    if schedule.cron is not None:
        # The dates of the time zone can differ from those of UTC by a day.
        first = start.date() - timedelta(days=1)
        local = Cron(schedule.cron).moments(first, (end.date() - first).days + 2)
    else:
        local = iter([datetime.fromisoformat(str(schedule.at))])
    for moment in local:
        absolute = moment.replace(tzinfo=zone).astimezone(UTC)
        if start <= absolute < end:
            yield absolute


def _zone(name: str) -> tzinfo:
    """A time zone; UTC on machines without a database of time zones, which changes an average little."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC
