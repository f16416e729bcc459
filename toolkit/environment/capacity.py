"""How many instances serve a model, and when."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from toolkit.cron import Cron, CronError
from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.environment.problems import did_you_mean


def _check_cron(value: str) -> Invalid | None:
    try:
        Cron(value)
    except CronError as error:
        return Invalid(error.reason, error.remedy)
    return None


def _check_at(value: str) -> Invalid | None:
    remedy = 'write it as "2026-12-24T18:00:00", with the zone in timezone'
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value, re.ASCII):
        return Invalid(f"{value!r} is not a time", remedy)
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        return Invalid(f"{value!r} is not a time: {error}", remedy)
    return None


def _check_timezone(value: str) -> Invalid | None:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:  # a machine without a time zone database cannot tell
            return None
        remedy = did_you_mean(value, known) or "zones are called Europe/Berlin, Asia/Shanghai, UTC"
        return Invalid(f"there is no time zone {value!r}", remedy)
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
