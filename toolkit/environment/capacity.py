"""How many instances serve a model, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.environment.problems import did_you_mean

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


def _check_cron(value: str) -> Invalid | None:
    if value.startswith("cron("):
        return Invalid("cron( ) is written around it", f"leave that out: {_CRON_EXAMPLE}")
    parts = value.split()
    if len(parts) != len(_FIELDS):
        wrong = f"{value!r} has {len(parts)} fields"
        names = ", ".join(field.name for field in _FIELDS)
        return Invalid(wrong, f"AWS wants six, {names}: {_CRON_EXAMPLE}")
    for field, part in zip(_FIELDS, parts, strict=True):
        if not field.accepts(part):
            words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
            right = f"it takes {field.lowest} to {field.highest}{words}, with * , - and /"
            return Invalid(f"{part!r} cannot be the field {field.name}", right)
    if (parts[2] == "?") == (parts[4] == "?"):
        given = "both are" if parts[2] == "?" else "neither is"
        wrong = f"one of day of month and day of week must be ?, and {given}"
        return Invalid(wrong, f"write ? for the one that does not matter: {_CRON_EXAMPLE}")
    return None


def _check_at(value: str) -> Invalid | None:
    right = 'write it as "2026-12-24T18:00:00", with the zone in timezone'
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value, re.ASCII):
        return Invalid(f"{value!r} is not a time", right)
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        return Invalid(f"{value!r} is not a time: {error}", right)
    return None


def _check_timezone(value: str) -> Invalid | None:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:  # a machine without a time zone database cannot tell
            return None
        right = did_you_mean(value, known) or "zones are called Europe/Berlin, Asia/Shanghai, UTC"
        return Invalid(f"there is no time zone {value!r}", right)
    return None


CRON = Checked(_check_cron)
AT = Checked(_check_at, {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"})
TIMEZONE = Checked(_check_timezone)


# A scheduled action's name is part of another name, so what may be in it is narrower than AWS allows.
ScheduleName = Annotated[
    str, matching(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", "use letters, digits, hyphens and _")
]


class Schedule(ConfigModel):
    """A change of the bounds at certain times; they stay until the next one."""

    name: ScheduleName = Field(examples=["working-hours"])
    """What it is called."""
    cron: Annotated[str, CRON] | None = Field(default=None, examples=["0 8 ? * MON-FRI *"])
    """Repeatedly: minutes, hours, day of month, month, day of week and year, as AWS counts them."""
    at: Annotated[str, AT] | None = Field(default=None, examples=["2026-12-24T18:00:00"])
    """Once, instead of `cron`."""
    timezone: Annotated[str, TIMEZONE] = Field(default="UTC", examples=["Europe/Berlin"])
    """The time zone of `cron` and `at`."""
    min: int | None = Field(default=None, ge=0)
    """The least number of instances from then on; by default it stays as it is."""
    max: int | None = Field(default=None, ge=0)
    """The greatest number of instances from then on; by default it stays as it is."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.cron is None) == (self.at is None):
            given = "neither cron nor at is given" if self.cron is None else "both cron and at are given"
            raise Invalid(given, "give cron for what repeats, at for what happens once").error()
        if self.min is None and self.max is None:
            raise Invalid("it changes nothing", "give min, max or both").error()
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Invalid(f"min {self.min} is more than max {self.max}", "lower min or raise max").error()
        return self

    @property
    def expression(self) -> str:
        """The schedule as Application Auto Scaling takes it."""
        return f"cron({self.cron})" if self.cron is not None else f"at({self.at})"


class Capacity(ConfigModel):
    """How many instances serve the model."""

    min: int = Field(default=1, ge=1)
    """The least number of instances."""
    max: int = Field(default=1, ge=1)
    """The greatest number of instances; with more than `min`, SageMaker scales."""
    concurrent_requests: float = Field(default=8, gt=0)
    """Requests in progress per instance that scaling aims at, measured every 10 seconds; a streamed answer
    counts until its last token. For an asynchronous endpoint: requests that wait, per instance."""
    scale_in_cooldown_seconds: int = Field(default=600, ge=0)
    """How long to wait after a change before instances are taken away; starting one again takes minutes."""
    scale_out_cooldown_seconds: int = Field(default=60, ge=0)
    """How long to wait after a change before more instances are added."""
    schedules: tuple[Schedule, ...] = ()
    """Other bounds at certain times."""

    @property
    def least(self) -> int:
        """How few instances there can be, at any time of day."""
        return min([self.min, *(schedule.min for schedule in self.schedules if schedule.min is not None)])

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min > self.max:
            raise Invalid(f"min {self.min} is more than max {self.max}", "lower min or raise max").error()
        names = [schedule.name for schedule in self.schedules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Invalid(f"two schedules are called {twice}", "give each a name of its own").error()
        return self
