"""Durations as options take them: `90s`, `10m`, `2h`, `1d`; and times, as dates or durations before now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from toolkit.errors import InputError

_DURATION = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
# Ten years; Terraform's durations end at 292.
_LONGEST_SECONDS = 3650 * 86400


def parse_seconds(text: str, option: str, *, unit_required: bool = True) -> int:
    """Seconds of a duration.

    Args:
        text: the duration.
        option: the option it was given with, for the error.
        unit_required: whether to refuse a number without a unit, which is in seconds.

    Raises:
        InputError: not a duration.
    """
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match and (match[2] or not unit_required) else None
    if seconds is None or seconds > _LONGEST_SECONDS:
        raise InputError(f"invalid duration {text[:40]!r}", where=option, remedy="use 90s, 10m, 2h or 1d")
    return seconds


def parse_time(text: str, option: str, now: datetime) -> datetime:
    """A time: the start of a day in UTC, such as `2026-11-01`, or a duration before now, such as `7d`.

    Args:
        text: the date or duration.
        option: the option it was given with, for the error.
        now: the current time.

    Raises:
        InputError: neither a date nor a duration.
    """
    try:
        if "-" not in text:
            return now - timedelta(seconds=parse_seconds(text, option))
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (ValueError, InputError):
        remedy = "use a date such as 2026-11-01, or a duration such as 7d"
        raise InputError(f"invalid time {text[:40]!r}", where=option, remedy=remedy) from None
