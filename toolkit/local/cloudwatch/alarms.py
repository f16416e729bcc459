"""Alarms, evaluated at the end of each of their periods, and their actions."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm, cloudwatch_backends
from moto.sns.models import sns_backends

from toolkit.local import deferred, timescale
from toolkit.local.cloudwatch import evaluation
from toolkit.local.cloudwatch.evaluation import ALARM, INSUFFICIENT_DATA, OK, Point, Rule
from toolkit.local.cloudwatch.models import Metric, Sample, statistic
from toolkit.local.cloudwatch.responses import Stores, record_action
from toolkit.local.service import ACCOUNT_ID

_log = logging.getLogger(__name__)

# How often an alarm that stays in its state triggers scaling again, in seconds on AWS.
_REPEAT_SECONDS = 60.0
_REPEATED = "arn:aws:autoscaling:"


@dataclass(frozen=True)
class Firing:
    """An alarm that triggers an action.

    Attributes:
        alarm: the alarm's name.
        action: the action's ARN.
        state: the alarm's state.
        previous: the state before; the same if the action is repeated.
    """

    region: str
    alarm: str
    action: str
    state: str
    previous: str
    reason: str


# Called in the event loop; exceptions are logged and recorded in the alarm's history.
Action = Callable[[Firing], Awaitable[None] | None]


@dataclass(frozen=True)
class _Query:
    """The metric and statistic of an alarm; the period is scaled."""

    metric: Metric
    statistic: str
    period: float
    unit: str | None


class Alarms:
    """Evaluates the alarms of all regions, which moto stores."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._actions: list[tuple[str, Action]] = []
        self._changed = asyncio.Event()
        self._transitioned = asyncio.Event()
        # Each alarm by region and name, and the period of its last evaluation.
        self._evaluated: dict[tuple[str, str], tuple[Alarm, int]] = {}
        self._repeat_at: dict[tuple[str, str], float] = {}
        self._running: set[asyncio.Task[None]] = set()

    def on_action(self, prefix: str, action: Action) -> None:
        """Register a handler for alarm actions whose ARN begins with `prefix`."""
        self._actions.append((prefix, action))

    def changed(self) -> None:
        """Handle created, updated or deleted alarms. Call in the event loop."""
        self._changed.set()

    async def run(self) -> None:
        """Evaluate alarms, until cancelled."""
        while True:
            self._changed.clear()
            now = time.time()
            pauses = [self._evaluate_if_due(region, alarm, now) for region, alarm in _all()]
            try:
                async with asyncio.timeout(min(pauses, default=None)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _evaluate_if_due(self, region: str, alarm: Alarm, now: float) -> float:
        """Evaluate an alarm if a period has ended; return the seconds until the next one ends."""
        query = _query(alarm)
        if query is None:
            return _REPEAT_SECONDS
        key, period = (region, alarm.name), int(now // query.period)
        if self._evaluated.get(key) != (alarm, period):
            self._evaluated[key] = (alarm, period)
            self._evaluate(region, alarm, query, period)
        return (period + 1) * query.period - now

    def _evaluate(self, region: str, alarm: Alarm, query: _Query, period: int) -> None:
        rule = _rule(alarm)
        verdict = evaluation.evaluate(rule, self._points(region, alarm, query, period))
        if verdict is not None and verdict.state != alarm.state_value:
            alarm.update_state(verdict.reason, "{}", verdict.state)
        else:
            self._repeat(region, alarm)

    def datapoints(self, region: str, name: str) -> list[float]:
        """An alarm's current datapoints, oldest first; empty if the alarm does not exist."""
        alarm = find(region, name)
        query = _query(alarm) if alarm is not None else None
        if alarm is None or query is None:
            return []
        points = self._points(region, alarm, query, int(time.time() // query.period))
        return [point.value for point in points if point.value is not None][-_rule(alarm).periods :]

    def _points(self, region: str, alarm: Alarm, query: _Query, period: int) -> list[Point]:
        """The datapoints before a period."""
        deferred.finish()
        store = self._stores[ACCOUNT_ID, region]
        first = period - _rule(alarm).periods - evaluation.MORE_PERIODS
        start, end = first * query.period, period * query.period
        values = {
            round(begin / query.period): _value(alarm, samples, query.statistic)
            for begin, samples in store.by_period(query.metric, start, end, query.period, query.unit)
        }
        return [Point(number * query.period, values.get(number)) for number in range(first, period)]

    def transition(self, alarm: Alarm, previous: str) -> None:
        """Handle a state transition, by evaluation or SetAlarmState. Call in the event loop."""
        _log.info("alarm %s: %s → %s: %s", alarm.name, previous, alarm.state_value, alarm.state_reason)
        self._repeat_at[alarm.region_name, alarm.name] = time.time() + timescale.scaled(_REPEAT_SECONDS)
        self._trigger(alarm, previous, "")
        # Wake the current waiters; later ones wait for the next transition.
        self._transitioned.set()
        self._transitioned = asyncio.Event()

    async def wait_for(self, region: str, names: Collection[str]) -> Alarm:
        """Wait until one of the alarms exists and is in the ALARM state."""
        while True:
            for name in names:
                alarm = find(region, name)
                if alarm is not None and alarm.state_value == ALARM:
                    return alarm
            await self._transitioned.wait()

    def _repeat(self, region: str, alarm: Alarm) -> None:
        key, now = (region, alarm.name), time.time()
        if now >= self._repeat_at.get(key, now):
            self._repeat_at[key] = now + timescale.scaled(_REPEAT_SECONDS)
            self._trigger(alarm, alarm.state_value, _REPEATED)

    def _trigger(self, alarm: Alarm, previous: str, only: str) -> None:
        if not alarm.actions_enabled:
            return
        arns = {
            ALARM: alarm.alarm_actions,
            OK: alarm.ok_actions,
            INSUFFICIENT_DATA: alarm.insufficient_data_actions,
        }[alarm.state_value]
        for arn in arns or ():
            for prefix, action in self._actions:
                if arn.startswith(only) and arn.startswith(prefix):
                    state, reason = alarm.state_value, alarm.state_reason
                    firing = Firing(alarm.region_name, alarm.name, arn, state, previous, reason)
                    task = asyncio.create_task(_act(alarm, action, firing))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)


async def _act(alarm: Alarm, action: Action, firing: Firing) -> None:
    try:
        result = action(firing)
        if inspect.isawaitable(result):
            await result
    except Exception as error:  # noqa: BLE001 logged, and shown in the alarm's history
        _log.exception("action %s of alarm %s", firing.action, firing.alarm)
        record_action(alarm, firing.action, f"Failed to execute action {firing.action}: {error}")
    else:
        record_action(alarm, firing.action, f"Successfully executed action {firing.action}")


def _all() -> list[tuple[str, Alarm]]:
    return [
        (region, alarm)
        for region, backend in list(cloudwatch_backends[ACCOUNT_ID].items())
        for alarm in list(backend.alarms.values())
    ]


def find(region: str, name: str) -> Alarm | None:
    """The alarm with this name, or None."""
    backends = cloudwatch_backends[ACCOUNT_ID]
    return backends[region].alarms.get(name) if region in backends else None


def _query(alarm: Alarm) -> _Query | None:
    """An alarm's query; None for composite alarms, metric math and anomaly detection: not evaluated."""
    if alarm.rule or not evaluation.supports(alarm.comparison_operator):
        return None
    if alarm.metric_data_queries:
        if len(alarm.metric_data_queries) > 1 or alarm.metric_data_queries[0].metric_stat is None:
            return None
        stat = alarm.metric_data_queries[0].metric_stat
        name, namespace, dimensions = stat.metric.metric_name, stat.metric.namespace, stat.metric.dimensions
        function, period, unit = stat.stat, float(stat.period), stat.unit
    else:
        name, namespace, dimensions = alarm.metric_name, alarm.namespace, alarm.dimensions
        function = alarm.statistic or alarm.extended_statistic or "Average"
        period, unit = float(alarm.period), alarm.unit or ""
    pairs = frozenset((str(item.name), str(item.value)) for item in dimensions)
    return _Query(Metric(namespace, name, pairs), function, timescale.scaled(period), unit or None)


def _rule(alarm: Alarm) -> Rule:
    periods = int(alarm.evaluation_periods)
    return Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        periods,
        int(alarm.datapoints_to_alarm or periods),
        alarm.treat_missing_data or "missing",
    )


def _value(alarm: Alarm, samples: list[Sample], function: str) -> float | None:
    """A period's datapoint; None if a percentile has too few samples and the alarm ignores these."""
    if alarm.evaluate_low_sample_count_percentile == "ignore" and function.startswith("p"):
        share = float(function[1:]) / 100
        if len(samples) < 10 / max(min(share, 1 - share), 1e-9):
            return None
    return statistic(samples, function)


TOPIC_PREFIX = "arn:aws:sns:"
_MAX_SUBJECT = 100


async def notify_topic(firing: Firing) -> None:
    """Publish an alarm's transition to an SNS topic.

    Raises:
        Exception: from moto, if the topic does not exist.
    """
    alarm = find(firing.region, firing.alarm)
    if alarm is not None:
        subject = f'{firing.state}: "{firing.alarm}" in {firing.region}'[:_MAX_SUBJECT]
        message = json.dumps(_message(alarm, firing))
        topics = sns_backends[ACCOUNT_ID][firing.action.split(":")[3]]
        # In a thread, because moto calls subscribed queues and functions from here.
        await asyncio.to_thread(topics.publish, message, arn=firing.action, subject=subject)


def _message(alarm: Alarm, firing: Firing) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT_ID,
        "NewStateValue": firing.state,
        "NewStateReason": firing.reason,
        "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": firing.region,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": firing.previous,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "Statistic": alarm.statistic or alarm.extended_statistic,
            "Unit": alarm.unit,
            "Dimensions": [{"name": item.name, "value": item.value} for item in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data or "missing",
        },
    }
