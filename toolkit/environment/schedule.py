"""When a scheduled change of capacity happens, in the words of Application Auto Scaling.

The fields, their values and wildcards are those of its user guide, "Schedule recurring scaling actions"
and the "Cron expressions reference" that it refers to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from toolkit.environment.problems import did_you_mean
from toolkit.environment.section import Checked, Mistake

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class _Field:
    """One of the six fields of a cron expression.

    Attributes:
        name: as the user guide calls it.
        lowest: its lowest number.
        highest: its highest number.
        words: what stands for the numbers from `lowest` on.
        special: further things it can be, as a pattern.
    """

    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()
    special: str = r"(?!)"

    def accepts(self, text: str) -> bool:
        """Whether `text` can stand in the field."""
        return bool(re.fullmatch(self.special, text)) or all(self._accepts_item(i) for i in text.split(","))

    def _accepts_item(self, item: str) -> bool:
        """Whether it is `*`, a value, a range, or one of these with a step."""
        span, slash, step = item.partition("/")
        if slash and not (step.isascii() and step.isdigit() and int(step) > 0):
            return False
        return span == "*" or all(self._accepts_value(value) for value in span.split("-", 1))

    def _accepts_value(self, value: str) -> bool:
        if value.isascii() and value.isdigit():
            return self.lowest <= int(value) <= self.highest
        return value in self.words


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of month", 1, 31, special=r"\?|L|LW|([1-9]|[12]\d|3[01])W"),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 1, 7, _DAYS, special=r"\?|L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    _Field("year", 1970, 2199),
)
_CRON_EXAMPLE = '"0 8 ? * MON-FRI *" is 8:00 on working days'


def _check_cron(value: str) -> Mistake | None:
    if value.startswith("cron("):
        return Mistake("cron( ) is written around it", f"leave that out: {_CRON_EXAMPLE}")
    parts = value.split()
    if len(parts) != len(_FIELDS):
        wrong = f"{value!r} has {len(parts)} fields"
        names = ", ".join(field.name for field in _FIELDS)
        return Mistake(wrong, f"AWS wants six, {names}: {_CRON_EXAMPLE}")
    for field, part in zip(_FIELDS, parts, strict=True):
        if not field.accepts(part):
            words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
            right = f"it takes {field.lowest} to {field.highest}{words}, with * , - and /"
            return Mistake(f"{part!r} cannot be the field {field.name}", right)
    if (parts[2] == "?") == (parts[4] == "?"):
        given = "both are" if parts[2] == "?" else "neither is"
        wrong = f"one of day of month and day of week must be ?, and {given}"
        return Mistake(wrong, f"write ? for the one that does not matter: {_CRON_EXAMPLE}")
    return None


def _check_at(value: str) -> Mistake | None:
    right = 'write it as "2026-12-24T18:00:00", with the zone in timezone'
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value, re.ASCII):
        return Mistake(f"{value!r} is not a time", right)
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        return Mistake(f"{value!r} is not a time: {error}", right)
    return None


def _check_timezone(value: str) -> Mistake | None:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:  # a machine without a time zone database cannot tell
            return None
        right = did_you_mean(value, known) or "zones are called Europe/Berlin, Asia/Shanghai, UTC"
        return Mistake(f"there is no time zone {value!r}", right)
    return None


CRON = Checked(_check_cron)
AT = Checked(_check_at, {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"})
TIMEZONE = Checked(_check_timezone)
