"""The evaluation of an alarm's state, including missing datapoints.

See "Configuring how CloudWatch alarms treat missing data" in the CloudWatch user guide.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
# CloudWatch reads more periods than it evaluates, in case the newest ones lack data.
MORE_PERIODS = 2

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


def supports(comparison: str) -> bool:
    """Whether the operator compares with a fixed threshold."""
    return comparison in _COMPARISONS


class Point(NamedTuple):
    """A period's datapoint.

    Attributes:
        time: the start of the period, in seconds since the epoch.
        value: None if the period has no data.
    """

    time: float
    value: float | None


@dataclass(frozen=True)
class Rule:
    """The condition of an alarm.

    Attributes:
        comparison: CloudWatch's comparison operator.
        periods: the evaluation periods.
        to_alarm: the datapoints to alarm.
        missing: `missing`, `ignore`, `breaching` or `notBreaching`.
    """

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    missing: str = "missing"

    def breaches(self, value: float) -> bool:
        """Whether a datapoint breaches the threshold."""
        return _COMPARISONS[self.comparison][0](value, self.threshold)


class Verdict(NamedTuple):
    """An alarm's new state and its reason."""

    state: str
    reason: str


def evaluate(rule: Rule, points: Sequence[Point]) -> Verdict | None:
    """Evaluate an alarm.

    Args:
        rule: the alarm's condition.
        points: the datapoints of the newest `rule.periods + MORE_PERIODS` periods, oldest first.

    Returns:
        The new state, or None if the alarm keeps its state.
    """
    existing = [point for point in points if point.value is not None][-rule.periods :]
    missing = rule.periods - len(existing)
    if missing == 0 or rule.missing in ("breaching", "notBreaching"):
        return _by_count(rule, existing, missing)
    if not existing:
        if rule.missing == "ignore":
            return None
        noun = "datapoint was" if rule.periods == 1 else "datapoints were"
        return Verdict(INSUFFICIENT_DATA, f"Insufficient Data: {rule.periods} {noun} unknown.")
    breaching = _count(rule, existing)
    if breaching >= rule.to_alarm or breaching < len(existing):
        return _by_count(rule, existing, 0)
    # All datapoints breach but are too few: the oldest one decides, if it is old enough.
    age = len(points) - [point.value is not None for point in points].index(True)
    enough = rule.missing == "missing" and age >= rule.to_alarm
    return Verdict(ALARM, _reason(rule, existing, alarm=True)) if enough else None


def _count(rule: Rule, existing: Sequence[Point]) -> int:
    return sum(rule.breaches(point.value) for point in existing if point.value is not None)


def _by_count(rule: Rule, existing: Sequence[Point], missing: int) -> Verdict:
    """The state by the existing datapoints, and the missing ones as `rule.missing` treats them."""
    filled = missing if rule.missing == "breaching" else 0
    alarm = _count(rule, existing) + filled >= rule.to_alarm
    reason = _reason(rule, existing, alarm=alarm) if existing else _reason_without_data(rule)
    return Verdict(ALARM if alarm else OK, reason)


def _reason_without_data(rule: Rule) -> str:
    periods, points = ("period", "datapoint was") if rule.periods == 1 else ("periods", "datapoints were")
    treated = "Breaching" if rule.missing == "breaching" else "NonBreaching"
    return (
        f"Threshold Crossed: no datapoints were received for {rule.periods} {periods} and {rule.periods} "
        f"missing {points} treated as [{treated}]."
    )


def _reason(rule: Rule, existing: Sequence[Point], *, alarm: bool) -> str:
    shown = [
        f"{point.value} ({time.strftime('%d/%m/%y %H:%M:%S', time.gmtime(point.time))})"
        for point in reversed(existing)
        if point.value is not None and rule.breaches(point.value) is alarm
    ]
    verb = "was" if len(shown) == 1 else "were"
    compared = _COMPARISONS[rule.comparison][1]
    needed = rule.to_alarm if alarm else rule.periods - rule.to_alarm + 1
    change = f"{OK} -> {ALARM}" if alarm else f"{ALARM} -> {OK}"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {rule.periods} datapoints [{', '.join(shown)}] "
        f"{verb} {'' if alarm else 'not '}{compared} the threshold ({rule.threshold}) "
        f"(minimum {needed} datapoint{'' if needed == 1 else 's'} for {change} transition)."
    )
