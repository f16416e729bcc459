"""Schedules as Application Auto Scaling writes them: `cron(…)`, `at(…)` and `rate(…)`."""

from __future__ import annotations

import calendar
import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
# AWS counts from Sunday = 1.
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}


class ScheduleError(ValueError):
    """An expression that is no schedule; the message says why."""


@dataclass(frozen=True)
class _Field:
    """A field of a cron expression: which of its values are meant."""

    text: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def values(self) -> set[int]:
        """The values that are listed; what is special about days is not among them."""
        listed: set[int] = set()
        for item in self.text.split(","):
            span, _, step = item.partition("/")
            if span in ("*", "?"):
                first, last = self.lowest, self.highest
            else:
                low, dash, high = span.partition("-")
                first = self._number(low)
                last = self._number(high) if dash else self.highest if step else first
            listed.update(range(first, last + 1, int(step or 1)))
        return listed

    def _number(self, value: str) -> int:
        number = self.words.index(value.upper()) + 1 if value.upper() in self.words else int(value)
        if not self.lowest <= number <= self.highest:
            raise ScheduleError(f"{value} is not between {self.lowest} and {self.highest}")
        return number


class Cron:
    """A cron expression of AWS: minutes, hours, day of month, month, day of week, year.

    Args:
        text: the six fields.

    Raises:
        ScheduleError: see there.
    """

    def __init__(self, text: str) -> None:
        fields = text.split()
        if len(fields) != 6:
            raise ScheduleError(f"a cron expression has six fields, not {len(fields)}")
        minutes, hours, self._day, months, self._weekday, years = fields
        if (self._day == "?") == (self._weekday == "?"):
            raise ScheduleError("one of day of month and day of week must be ?")
        try:
            self._minutes = _Field(minutes, 0, 59).values()
            self._hours = _Field(hours, 0, 23).values()
            self._months = _Field(months, 1, 12, tuple(_MONTHS)).values()
            self._years = _Field(years, 1970, 2199).values()
            self._falls_on(datetime(2024, 1, 1))
        except (ValueError, IndexError) as error:
            raise ScheduleError(f"{text!r} is no cron expression: {error}") from error

    def matches(self, moment: datetime) -> bool:
        """Whether it is due in the minute of `moment`, which is in the schedule's time zone."""
        return (
            moment.minute in self._minutes
            and moment.hour in self._hours
            and moment.month in self._months
            and moment.year in self._years
            and self._falls_on(moment)
        )

    def _falls_on(self, moment: datetime) -> bool:
        if self._day != "?":
            return any(_is_day(item, moment) for item in self._day.split(","))
        return any(_is_weekday(item, moment) for item in self._weekday.split(","))


def _is_day(item: str, moment: datetime) -> bool:
    last = calendar.monthrange(moment.year, moment.month)[1]
    if item == "L":
        return moment.day == last
    if item.endswith("W"):
        wanted = last if item == "LW" else int(item[:-1])
        return moment.day == _nearest_working_day(moment, min(wanted, last), last)
    return moment.day in _Field(item, 1, 31).values()


def _nearest_working_day(moment: datetime, day: int, last: int) -> int:
    """The working day of the month that is nearest to one of its days."""
    weekday = moment.replace(day=day).weekday()
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _is_weekday(item: str, moment: datetime) -> bool:
    today = moment.isoweekday() % 7 + 1
    if item == "L":
        return today == len(_DAYS)
    if item.endswith("L") and item[:-1]:
        is_last = (moment + timedelta(days=7)).month != moment.month
        return is_last and today in _Field(item[:-1], 1, 7, tuple(_DAYS)).values()
    day, hash_, number = item.partition("#")
    in_week = not hash_ or (moment.day - 1) // 7 + 1 == int(number)
    return in_week and today in _Field(day, 1, 7, tuple(_DAYS)).values()


@dataclass(frozen=True)
class Schedule:
    """When a scheduled action is due.

    Attributes:
        zone: the time zone of `cron` and `at`.
        cron: every minute that it names, or …
        at: once, or …
        every: so many seconds of AWS after the last time.
    """

    zone: zoneinfo.ZoneInfo
    cron: Cron | None = None
    at: datetime | None = None
    every: float | None = None

    @classmethod
    def of(cls, expression: str, timezone: str | None) -> Schedule:
        """Read an expression.

        Raises:
            ScheduleError: see there.
        """
        try:
            zone = zoneinfo.ZoneInfo(timezone or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ScheduleError(f"there is no time zone {timezone}") from error
        match = re.fullmatch(r"(cron|at|rate)\((.*)\)", expression)
        if match is None:
            raise ScheduleError(f"{expression!r} is neither cron(…) nor at(…) nor rate(…)")
        kind, text = match[1], match[2].strip()
        if kind == "cron":
            return cls(zone, cron=Cron(text))
        if kind == "at":
            return cls(zone, at=_moment(text).replace(tzinfo=zone))
        return cls(zone, every=_interval(text))


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")
    except ValueError as error:
        raise ScheduleError(f"{text!r} is no time as yyyy-mm-ddThh:mm:ss") from error


def _interval(text: str) -> float:
    match = re.fullmatch(r"(\d+) (minute|hour|day)s?", text, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ScheduleError(f"{text!r} is no rate as in 5 minutes")
    return float(int(match[1]) * _UNITS[match[2]])
