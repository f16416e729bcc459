"""Number of instances of a model, and its schedules."""

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
    remedy = 'use a time such as "2026-12-24T18:00:00", with the zone in timezone'
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
        zones = zoneinfo.available_timezones()
        if not zones:  # the machine has no time zone database
            return None
        remedy = did_you_mean(value, zones) or "use a time zone such as Europe/Berlin, Asia/Shanghai or UTC"
        return Invalid(f"unknown time zone {value!r}", remedy)
    return None


CRON = Checked(_check_cron)
AT = Checked(_check_at, {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"})
TIMEZONE = Checked(_check_timezone)


# Stricter than AWS, because the name is part of another name.
ScheduleName = Annotated[
    str, matching(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", "use letters, digits, hyphens and _")
]


class Schedule(ConfigModel):
    """A scheduled change of the instance bounds, which apply until the next change."""

    name: ScheduleName = Field(examples=["working-hours"])
    """Name of the schedule."""
    cron: Annotated[str, CRON] | None = Field(default=None, examples=["0 8 ? * MON-FRI *"])
    """Recurring time in the AWS cron format: minutes, hours, day of month, month, day of week and year."""
    at: Annotated[str, AT] | None = Field(default=None, examples=["2026-12-24T18:00:00"])
    """Single time, instead of `cron`."""
    timezone: Annotated[str, TIMEZONE] = Field(default="UTC", examples=["Europe/Berlin"])
    """Time zone of `cron` and `at`."""
    min: int | None = Field(default=None, ge=0)
    """New minimum number of instances; by default unchanged."""
    max: int | None = Field(default=None, ge=0)
    """New maximum number of instances; by default unchanged."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.cron is None) == (self.at is None):
            reason = "neither cron nor at is set" if self.cron is None else "both cron and at are set"
            raise Invalid(reason, "set cron for a recurring change, at for a single one").error()
        if self.min is None and self.max is None:
            raise Invalid("the schedule changes nothing", "set min, max or both").error()
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Invalid(f"min {self.min} is more than max {self.max}", "lower min or raise max").error()
        return self

    @property
    def expression(self) -> str:
        """The schedule expression for Application Auto Scaling."""
        return f"cron({self.cron})" if self.cron is not None else f"at({self.at})"


MeasuredText = Annotated[str, matching(r"[^\x00-\x1f\x7f]{1,1024}", "measure again with `toolkit bench`")]


class Measured(ConfigModel):
    """The benchmark that the numbers rest on, and what it measured; `toolkit bench suggest --write` sets it.

    `plan` warns when the deployment is another one. What is not set is not compared.
    """

    benchmark: MeasuredText = Field(examples=["20261130T101500Z-qwen3-8b-1f6c20ab"])
    """Id of the benchmark."""
    weights: MeasuredText | None = Field(default=None, examples=["sha256:0123456789abcdef"])
    """Digest of the weights, or their source with its revision."""
    image: MeasuredText | None = None
    """Container image."""
    options: MeasuredText | None = Field(default=None, examples=["sha256:6af245e8974a2426"])
    """Digest of the engine's options, environment variables, inference AMI and routing."""
    instance_type: MeasuredText | None = Field(default=None, examples=["ml.g6.2xlarge"])
    """Instance type."""
    gateway: MeasuredText | None = None
    """Digest of the gateway's code, if latencies were measured at the API."""


class Capacity(ConfigModel):
    """Number of instances of the model."""

    min: int = Field(default=1, ge=1)
    """Minimum number of instances."""
    max: int = Field(default=1, ge=1)
    """Maximum number of instances; above `min`, the endpoint scales automatically."""
    concurrent_requests: float = Field(default=8, gt=0)
    """Scaling target: concurrent requests per instance, measured every 10 seconds. A stream counts until its
    last token. For an asynchronous endpoint: queued requests per instance."""
    scale_in_cooldown_seconds: int = Field(default=600, ge=0)
    """Cooldown before instances are removed, in seconds; starting one again takes minutes."""
    scale_out_cooldown_seconds: int = Field(default=60, ge=0)
    """Cooldown before more instances are added, in seconds."""
    schedules: tuple[Schedule, ...] = ()
    """Scheduled changes of the bounds."""
    measured: Measured | None = None
    """Benchmark that these numbers rest on; by default none."""

    @property
    def least(self) -> int:
        """The minimum number of instances at any time of day."""
        return min([self.min, *(schedule.min for schedule in self.schedules if schedule.min is not None)])

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min > self.max:
            raise Invalid(f"min {self.min} is more than max {self.max}", "lower min or raise max").error()
        names = [schedule.name for schedule in self.schedules]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate is not None:
            raise Invalid(f"two schedules are named {duplicate}", "rename one of them").error()
        return self
