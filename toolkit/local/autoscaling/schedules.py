"""The grammar of scheduled actions: `cron(…)`, `at(…)` and `rate(…)`."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime

from toolkit.cron import Cron, CronError

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}


class ScheduleError(ValueError):
    """The expression is not a schedule."""


@dataclass(frozen=True)
class Schedule:
    """The schedule of an action: exactly one of cron, at and every.

    Attributes:
        zone: the time zone of `cron` and `at`.
        cron: due in each minute that matches.
        at: due once.
        every: due so many seconds on AWS after the last time.
    """

    zone: zoneinfo.ZoneInfo
    cron: Cron | None = None
    at: datetime | None = None
    every: float | None = None

    @classmethod
    def of(cls, expression: str, timezone: str | None) -> Schedule:
        """Parse an expression.

        Raises:
            ScheduleError: the expression or the time zone is invalid.
        """
        try:
            zone = zoneinfo.ZoneInfo(timezone or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ScheduleError(f"unknown time zone {timezone}") from error
        match = re.fullmatch(r"(cron|at|rate)\((.*)\)", expression)
        if match is None:
            raise ScheduleError(f"{expression!r} is not cron(…), at(…) or rate(…)")
        kind, text = match[1], match[2].strip()
        if kind == "cron":
            try:
                return cls(zone, cron=Cron(text))
            except CronError as error:
                raise ScheduleError(f"{text!r} is not a cron expression: {error}") from error
        if kind == "at":
            return cls(zone, at=_moment(text).replace(tzinfo=zone))
        return cls(zone, every=_interval(text))


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")
    except ValueError as error:
        raise ScheduleError(f"{text!r} is not a time like yyyy-mm-ddThh:mm:ss") from error


def _interval(text: str) -> float:
    match = re.fullmatch(r"(\d+) (minute|hour|day)s?", text, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ScheduleError(f"{text!r} is not a rate like 5 minutes")
    return float(int(match[1]) * _UNITS[match[2]])
