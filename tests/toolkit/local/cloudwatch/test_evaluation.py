"""The tables of "Configuring how CloudWatch alarms treat missing data" in the CloudWatch user guide."""

from __future__ import annotations

import pytest

from toolkit.local.cloudwatch.evaluation import Point, Rule, evaluate

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEPT = "kept"


def states(datapoints: str, periods: int, to_alarm: int) -> list[str]:
    """The state for each treatment; `X` breaches, `0` does not, `-` is missing."""
    values = {"X": 9.0, "0": 1.0, "-": None}
    points = [Point(60.0 * number, values[sign]) for number, sign in enumerate(datapoints)]
    verdicts = [
        evaluate(Rule("GreaterThanThreshold", 5, periods, to_alarm, treatment), points)
        for treatment in TREATMENTS
    ]
    return [verdict.state if verdict else KEPT for verdict in verdicts]


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ("0-X-X", ["OK", "OK", "OK", "OK"]),
        ("----0", ["OK", "OK", "OK", "OK"]),
        ("-----", ["INSUFFICIENT_DATA", KEPT, "ALARM", "OK"]),
        ("0XX-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("--X--", ["ALARM", KEPT, "ALARM", "OK"]),
    ],
)
def test_three_of_three(datapoints: str, expected: list[str]) -> None:
    assert states(datapoints, 3, 3) == expected


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ("0-X-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("00X0X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0-X--", ["OK", "OK", "ALARM", "OK"]),
        ("----0", ["OK", "OK", "ALARM", "OK"]),
        ("---X-", ["ALARM", KEPT, "ALARM", "OK"]),
    ],
)
def test_two_of_three(datapoints: str, expected: list[str]) -> None:
    assert states(datapoints, 3, 2) == expected


def test_one_breaching_datapoint_is_not_three() -> None:
    assert states("----X", 3, 3)[0] == KEPT


@pytest.mark.parametrize(
    ("comparison", "at_threshold"),
    [
        ("GreaterThanThreshold", "OK"),
        ("GreaterThanOrEqualToThreshold", "ALARM"),
        ("LessThanThreshold", "OK"),
        ("LessThanOrEqualToThreshold", "ALARM"),
    ],
)
def test_comparisons(comparison: str, at_threshold: str) -> None:
    verdict = evaluate(Rule(comparison, 5, 1, 1), [Point(0, None), Point(60, None), Point(120, 5)])
    assert verdict is not None
    assert verdict.state == at_threshold


def test_the_reason_is_in_cloudwatchs_words() -> None:
    rule = Rule("GreaterThanOrEqualToThreshold", 1, 1, 1)
    verdict = evaluate(rule, [Point(0, None), Point(60, None), Point(120, 1)])
    assert verdict is not None
    assert verdict.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [1 (01/01/70 00:02:00)] was greater than or equal "
        "to the threshold (1) (minimum 1 datapoint for OK -> ALARM transition)."
    )
