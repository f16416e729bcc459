"""Numbers with their units."""

from __future__ import annotations

UNKNOWN = "—"


def seconds(value: float | None) -> str:
    """A duration in three significant digits: "12.3 ms", "1.24 s"; a dash if unknown."""
    if value is None:
        return UNKNOWN
    return f"{digits(value * 1000)} ms" if abs(value) < 0.9995 else f"{digits(value)} s"


def minutes(value: float) -> str:
    """A longer duration to the second: "45 s", "16 min 5 s"."""
    whole, rest = divmod(round(value), 60)
    return f"{whole:,} min {rest} s" if whole else f"{rest} s"


def per_second(value: float | None) -> str:
    """A rate in three significant digits: "12.3/s"; a dash if unknown."""
    return UNKNOWN if value is None else f"{digits(value)}/s"


def percent(share: float) -> str:
    """A share of 1: "2.50 %"."""
    return f"{digits(share * 100)} %"


def count(number: int, noun: str) -> str:
    """ "1 request", "1,200 requests"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def digits(value: float) -> str:
    """Three significant digits, or all digits of a larger number's integer: "0.0123", "1.20", "1,234"."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.9995 or value == 0 else f"{value:.3g}"


def short(value: float) -> str:
    """A setting as a user types it: "2.5", "16"."""
    return f"{value:,.10g}"
