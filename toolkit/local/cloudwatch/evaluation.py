"""What state an alarm is in: CloudWatch's rules, also those about missing datapoints.

See "Configuring how CloudWatch alarms treat missing data" in the CloudWatch user guide.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
# CloudWatch looks at more periods than it evaluates, in case the newest ones miss data.
MORE_PERIODS = 2

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


def supports(comparison: str) -> bool:
    """Whether it is a comparison with a fixed threshold."""
    return comparison in _COMPARISONS


class Point(NamedTuple):
    """A period's datapoint.

    Attributes:
        time: the period's beginning, in seconds since the epoch.
        value: None if there is none.
    """

    time: float
    value: float | None


@dataclass(frozen=True)
class Rule:
    """When an alarm fires.

    Attributes:
        comparison: CloudWatch's name of it.
        periods: how many datapoints are looked at.
        to_alarm: how many of them must breach the threshold.
        missing: `missing`, `ignore`, `breaching` or `notBreaching`.
    """

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    missing: str = "missing"

    def breaches(self, value: float) -> bool:
        """Whether a datapoint is on the wrong side of the threshold."""
        return _COMPARISONS[self.comparison][0](value, self.threshold)


class Verdict(NamedTuple):
    """The state that an alarm should have, and why."""

    state: str
    reason: str


def evaluate(rule: Rule, points: Sequence[Point]) -> Verdict | None:
    """The state that an alarm should have.

    Args:
        rule: when it fires.
        points: of the newest `rule.periods + MORE_PERIODS` periods, oldest first.

    Returns:
        None if it keeps the one it has.
    """
    known = [point for point in points if point.value is not None][-rule.periods :]
    missing = rule.periods - len(known)
    if missing == 0 or rule.missing in ("breaching", "notBreaching"):
        return _by_count(rule, known, missing)
    if not known:
        if rule.missing == "ignore":
            return None
        noun = "datapoint was" if rule.periods == 1 else "datapoints were"
        return Verdict(INSUFFICIENT_DATA, f"Insufficient Data: {rule.periods} {noun} unknown.")
    breaching = _count(rule, known)
    if breaching >= rule.to_alarm or breaching < len(known):
        return _by_count(rule, known, 0)
    # All that is known breaches, but it is too little by itself: it must go back far enough.
    age = len(points) - [point.value is not None for point in points].index(True)
    enough = rule.missing == "missing" and age >= rule.to_alarm
    return Verdict(ALARM, _reason(rule, known, alarm=True)) if enough else None


def _count(rule: Rule, known: Sequence[Point]) -> int:
    return sum(rule.breaches(point.value) for point in known if point.value is not None)


def _by_count(rule: Rule, known: Sequence[Point], missing: int) -> Verdict:
    """The state by all datapoints, of which the missing ones are as `rule.missing` says."""
    filled = missing if rule.missing == "breaching" else 0
    alarm = _count(rule, known) + filled >= rule.to_alarm
    reason = _reason(rule, known, alarm=alarm) if known else _reason_without_data(rule)
    return Verdict(ALARM if alarm else OK, reason)


def _reason_without_data(rule: Rule) -> str:
    periods, points = ("period", "datapoint was") if rule.periods == 1 else ("periods", "datapoints were")
    treated = "Breaching" if rule.missing == "breaching" else "NonBreaching"
    return (
        f"Threshold Crossed: no datapoints were received for {rule.periods} {periods} and {rule.periods} "
        f"missing {points} treated as [{treated}]."
    )


def _reason(rule: Rule, known: Sequence[Point], *, alarm: bool) -> str:
    shown = [
        f"{point.value} ({time.strftime('%d/%m/%y %H:%M:%S', time.gmtime(point.time))})"
        for point in reversed(known)
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
