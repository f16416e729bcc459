"""Cron expressions of AWS: their syntax, and the minutes that they match.

Fields, values and wildcards follow "Schedule recurring scaling actions" of the Application Auto Scaling user
guide and the "Cron expressions reference" that it refers to.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# AWS counts from Sunday = 1.
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_EXAMPLE = '"0 8 ? * MON-FRI *" is 8:00 on weekdays'


class CronError(ValueError):
    """Not a valid cron expression.

    Attributes:
        reason: why it is invalid.
        remedy: a valid alternative.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class _Field:
    """One of the six fields of a cron expression.

    Attributes:
        name: name in the user guide.
        lowest: lowest number.
        highest: highest number.
        words: names of the numbers from `lowest` on.
        special: pattern of the other values that the field accepts.
    """

    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()
    special: str = r"(?!)"

    def parse(self, text: str) -> set[int]:
        """The numbers that the field lists; none if it has a special value.

        Raises:
            CronError: the field does not accept `text`.
        """
        if re.fullmatch(self.special, text):
            return set()
        return {number for item in text.split(",") for number in self._parse_item(item, text)}

    def number(self, text: str) -> int | None:
        """The number of a value; None if it is not one of the field."""
        if text in self.words:
            return self.words.index(text) + self.lowest
        number = int(text) if _NUMBER.fullmatch(text) else self.lowest - 1
        return number if self.lowest <= number <= self.highest else None

    def _parse_item(self, item: str, text: str) -> range:
        """The numbers of `*`, a value or a range, each with or without a step."""
        span, slash, step = item.partition("/")
        ends = ["*"] if span == "*" else span.split("-", 1)
        numbers = [self.lowest if end == "*" else self.number(end) for end in ends]
        if None in numbers or (slash and not (_NUMBER.fullmatch(step) and int(step) > 0)):
            words = f" or {self.words[0]} to {self.words[-1]}" if self.words else ""
            remedy = f"use {self.lowest} to {self.highest}{words}, with * , - and /"
            raise CronError(f"{text!r} is not valid in the field {self.name}", remedy)
        first, last = numbers[0] or 0, numbers[-1] or 0
        if len(ends) == 1 and (slash or span == "*"):
            last = self.highest
        return range(first, last + 1, int(step or 1))


_WEEKDAY = _Field(
    "day of week", 1, 7, _WEEKDAYS, special=r"\?|L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"
)
_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of month", 1, 31, special=r"\?|L|LW|([1-9]|[12]\d|3[01])W"),
    _Field("month", 1, 12, _MONTHS),
    _WEEKDAY,
    _Field("year", 1970, 2199),
)


class Cron:
    """A cron expression: minutes, hours, day of month, month, day of week and year.

    Args:
        text: the six fields, without `cron( )` around them.

    Raises:
        CronError: it is not valid.
    """

    def __init__(self, text: str) -> None:
        if text.startswith("cron("):
            raise CronError("the toolkit adds cron( )", f"give the fields only: {_EXAMPLE}")
        fields = text.split()
        if len(fields) != len(_FIELDS):
            names = ", ".join(field.name for field in _FIELDS)
            raise CronError(f"{text!r} has {len(fields)} fields", f"AWS needs six, {names}: {_EXAMPLE}")
        self._numbers = [field.parse(part) for field, part in zip(_FIELDS, fields, strict=True)]
        _, _, self._day, _, self._weekday, _ = fields
        if (self._day == "?") == (self._weekday == "?"):
            fault = "both are" if self._day == "?" else "neither is"
            reason = f"one of day of month and day of week must be ?, and {fault}"
            raise CronError(reason, f"use ? for the one that does not matter: {_EXAMPLE}")

    def matches(self, moment: datetime) -> bool:
        """Whether the expression matches the minute of `moment`, which is in the schedule's time zone."""
        minutes, hours, *_ = self._numbers
        return moment.minute in minutes and moment.hour in hours and self._matches_date(moment)

    def moments(self, first: date, days: int) -> Iterator[datetime]:
        """The minutes that the expression matches in a number of days, in order and without a time zone."""
        minutes, hours, *_ = map(sorted, self._numbers)
        for day in (first + timedelta(days=number) for number in range(days)):
            if self._matches_date(day):
                for hour in hours:
                    for minute in minutes:
                        yield datetime.combine(day, time(hour, minute))

    def _matches_date(self, moment: date) -> bool:
        _, _, _, months, _, years = self._numbers
        return (
            moment.month in months
            and moment.year in years
            and (self._matches_weekday(moment) if self._day == "?" else self._matches_day(moment))
        )

    def _matches_day(self, moment: date) -> bool:
        last = calendar.monthrange(moment.year, moment.month)[1]
        if self._day == "L":
            return moment.day == last
        if self._day.endswith("W"):
            day = last if self._day == "LW" else min(int(self._day[:-1]), last)
            return moment.day == _nearest_working_day(moment, day, last)
        return moment.day in self._numbers[2]

    def _matches_weekday(self, moment: date) -> bool:
        today = moment.isoweekday() % 7 + 1
        if self._weekday == "L":
            return today == len(_WEEKDAYS)
        if self._weekday.endswith("L"):
            is_last = (moment + timedelta(days=7)).month != moment.month
            return is_last and today == _WEEKDAY.number(self._weekday[:-1])
        weekday, hash_, nth = self._weekday.partition("#")
        if hash_:
            return today == _WEEKDAY.number(weekday) and (moment.day - 1) // 7 + 1 == int(nth)
        return today in self._numbers[4]


def _nearest_working_day(moment: date, day: int, last: int) -> int:
    """The working day of the month that is nearest to `day`."""
    weekday = moment.replace(day=day).weekday()
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day
