"""moto's CloudWatch operations on the samples of `models`.

moto itself ignores additional dimensions, has no percentiles and no alarm history, and resets an updated
alarm to OK.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, ValidationError
from moto.cloudwatch.metric_data_expression_parser import parse_expression
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from toolkit.local.awsapi import Members
from toolkit.local.cloudwatch.evaluation import INSUFFICIENT_DATA
from toolkit.local.cloudwatch.models import Metric, Sample, Store, statistic

# Called in any thread after an alarm was created, updated or deleted.
OnChange = Callable[[], None]
# Called in any thread after a state transition, with the alarm and its previous state.
OnTransition = Callable[[Alarm, str], None]

_MAX_HISTORY = 500
_PAGE = 100


class Stores(defaultdict[tuple[str, str], Store]):
    """Stores by account and region; may be used from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def __missing__(self, key: tuple[str, str]) -> Store:
        with self._lock:
            return self.setdefault(key, Store())


def apply(stores: Stores, on_change: OnChange, on_transition: OnTransition) -> None:
    """Patch moto's CloudWatch to use these stores."""
    _patch_samples(stores)
    _patch_statistics(stores)
    _patch_alarms(on_change, on_transition)
    CloudWatchResponse.describe_alarm_history = _describe_alarm_history  # type: ignore[attr-defined]


def _patch_samples(stores: Stores) -> None:
    def put_metric_data(self: Any, namespace: str, metric_data: list[Members]) -> None:
        for number, datum in enumerate(metric_data, start=1):
            self._validate_parameters_put_metric_data(datum, number)
        for datum in metric_data:
            metric = Metric.of(namespace, datum["MetricName"], datum.get("Dimensions", ()))
            stores[self.account_id, self.region_name].put(metric, _samples(datum))

    def get_filtered_metrics(
        self: Any, name: str | None, namespace: str | None, dimensions: Sequence[Mapping[str, str]]
    ) -> list[Members]:
        return [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)],
            }
            for metric in stores[self.account_id, self.region_name].metrics()
            if metric.namespace == (namespace or metric.namespace)
            and metric.name == (name or metric.name)
            and all(
                any(
                    key == item["Name"] and value == item.get("Value", value)
                    for key, value in metric.dimensions
                )
                for item in dimensions or ()
            )
        ]

    CloudWatchBackend.put_metric_data = put_metric_data  # type: ignore[method-assign]
    CloudWatchBackend.get_filtered_metrics = get_filtered_metrics  # type: ignore[method-assign,assignment]


def _samples(datum: Members) -> Iterator[Sample]:
    timestamp = datum.get("Timestamp")
    now, unit = _seconds(timestamp) if timestamp else time.time(), datum.get("Unit")
    if datum.get("Values"):
        counts = datum.get("Counts") or [1] * len(datum["Values"])
        for value, count in zip(datum["Values"], counts, strict=True):
            for _ in range(int(float(count))):
                yield Sample(now, float(value), unit)
    elif datum.get("StatisticValues"):
        values = {name: float(value) for name, value in datum["StatisticValues"].items()}
        yield Sample(now, values["Sum"], unit, values["SampleCount"], values["Minimum"], values["Maximum"])
    else:
        yield Sample(now, float(datum.get("Value", 0)), unit)


def _patch_statistics(stores: Stores) -> None:
    def get_metric_statistics(self: Any) -> ActionResult:
        simple, extended = self._get_param("Statistics", []), self._get_param("ExtendedStatistics", [])
        if not simple and not extended:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        name = self._get_param("MetricName")
        metric = Metric.of(self._get_param("Namespace"), name, self._get_param("Dimensions", []))
        start, end = (_seconds(self._get_param(bound)) for bound in ("StartTime", "EndTime"))
        period = self._get_int_param("Period")
        store = stores[self.current_account, self.region]
        points = [
            _datapoint(begin, samples, simple, extended)
            for begin, samples in store.by_period(metric, start, end, period, self._get_param("Unit"))
        ]
        return ActionResult({"Label": name, "Datapoints": points})

    def get_metric_data(
        self: Any, queries: list[Members], start_time: datetime, end_time: datetime, scan_by: str
    ) -> list[Members]:
        store = stores[self.account_id, self.region_name]
        start, end = _seconds(start_time), _seconds(end_time)
        series = [_series(store, query, start, end, scan_by) for query in queries if "MetricStat" in query]
        hidden = {query["Id"] for query in queries if not query.get("ReturnData", True)}
        results = [result for result in series if result["id"] not in hidden]
        for query in queries:
            if "MetricStat" not in query:
                values, times = parse_expression(query["Expression"], series)
                results.append(_result(query, query["Id"], times, values))
        return results

    CloudWatchResponse.get_metric_statistics = get_metric_statistics  # type: ignore[method-assign]
    CloudWatchBackend.get_metric_data = get_metric_data  # type: ignore[method-assign,assignment]


def _datapoint(
    begin: float, samples: list[Sample], simple: Iterable[str], extended: Iterable[str]
) -> Members:
    point: Members = {"Timestamp": datetime.fromtimestamp(begin, UTC), "Unit": samples[-1].unit or "None"}
    point |= {name: statistic(samples, name) for name in simple}
    percentiles = {name: statistic(samples, name) for name in extended}
    return point | ({"ExtendedStatistics": percentiles} if percentiles else {})


def _series(store: Store, query: Members, start: float, end: float, scan_by: str) -> Members:
    stat = query["MetricStat"]
    metric = Metric.of(
        stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], stat["Metric"].get("Dimensions", [])
    )
    points = [
        (datetime.fromtimestamp(begin, UTC), value)
        for begin, samples in store.by_period(metric, start, end, int(stat["Period"]), stat.get("Unit"))
        if (value := statistic(samples, stat["Stat"])) is not None
    ]
    if scan_by == "TimestampDescending":
        points.reverse()
    label = f"{metric.name} {stat['Stat']}"
    return _result(query, label, [time for time, _ in points], [value for _, value in points])


def _result(query: Members, label: str, times: Sequence[datetime], values: Sequence[Any]) -> Members:
    return {
        "id": query["Id"],
        "label": query.get("Label") or label,
        "timestamps": times,
        "values": values,
        "status_code": "Complete",
    }


def _seconds(moment: datetime) -> float:
    # moto's naive times are UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _patch_alarms(on_change: OnChange, on_transition: OnTransition) -> None:
    put_alarm, delete_alarms = CloudWatchBackend.put_metric_alarm, CloudWatchBackend.delete_alarms

    def put_metric_alarm(self: Any, name: str, *arguments: Any, **keywords: Any) -> Alarm:
        _check_alarm(keywords)
        old = self.alarms.get(name)
        alarm = put_alarm(self, name, *arguments, **keywords)
        if old is None:
            alarm.state_value = INSUFFICIENT_DATA
            _record(alarm, "ConfigurationUpdate", f'Alarm "{name}" created', {"type": "Create"})
        else:
            for attribute in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
                setattr(alarm, attribute, getattr(old, attribute))
            alarm.history = old.history
            _record(alarm, "ConfigurationUpdate", f'Alarm "{name}" updated', {"type": "Update"})
        on_change()
        return alarm

    def delete(self: Any, alarm_names: list[str]) -> None:
        delete_alarms(self, alarm_names)
        on_change()

    def update_state(self: Alarm, reason: str, reason_data: str, state_value: str) -> None:
        old = {"stateValue": self.state_value, "stateReason": self.state_reason}
        self.state_reason, self.state_reason_data = reason, reason_data or "{}"
        self.state_value = state_value
        self.state_updated_timestamp = datetime.now(UTC).replace(tzinfo=None)
        if state_value != old["stateValue"]:
            summary = f"Alarm updated from {old['stateValue']} to {state_value}"
            new = {"stateValue": state_value, "stateReason": reason}
            _record(self, "StateUpdate", summary, {"oldState": old, "newState": new})
            on_transition(self, old["stateValue"])

    CloudWatchBackend.put_metric_alarm = put_metric_alarm  # type: ignore[method-assign]
    CloudWatchBackend.delete_alarms = delete  # type: ignore[method-assign]
    Alarm.update_state = update_state  # type: ignore[method-assign]


def _check_alarm(members: Mapping[str, Any]) -> None:
    """Check what the API reference of PutMetricAlarm says beyond the service model."""
    period = members.get("period")
    if period is not None and int(period) not in (10, 20, 30) and int(period) % 60:
        raise ValidationError("Metric period must be 10, 20, 30, or any multiple of 60.")
    evaluated, needed = members.get("evaluation_periods"), members.get("datapoints_to_alarm")
    if evaluated is not None and needed is not None and int(needed) > int(evaluated):
        message = "DatapointsToAlarm must be less than or equal to EvaluationPeriods."
        raise ValidationError(message)


def record_action(alarm: Alarm, arn: str, outcome: str) -> None:
    """Add the outcome of an action to an alarm's history."""
    _record(alarm, "Action", outcome, {"actionArn": arn})


def _record(alarm: Alarm, kind: str, summary: str, data: Members) -> None:
    alarm.history.append(
        {
            "AlarmName": alarm.name,
            "AlarmType": "CompositeAlarm" if alarm.rule else "MetricAlarm",
            "Timestamp": datetime.now(UTC),
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": json.dumps({"version": "1.0", **data}),
        }
    )
    del alarm.history[:-_MAX_HISTORY]


def _describe_alarm_history(self: Any) -> ActionResult:
    name, kind = self._get_param("AlarmName"), self._get_param("HistoryItemType")
    items = [
        item
        for alarm in self.cloudwatch_backend.describe_alarms()
        for item in alarm.history
        if name in (None, alarm.name) and kind in (None, item["HistoryItemType"])
    ]
    for bound, keeps in (("StartDate", float.__ge__), ("EndDate", float.__le__)):
        if limit := self._get_param(bound):
            items = [item for item in items if keeps(item["Timestamp"].timestamp(), _seconds(limit))]
    newest_first = self._get_param("ScanBy") != "TimestampAscending"
    items.sort(key=lambda item: item["Timestamp"], reverse=newest_first)
    start, size = int(self._get_param("NextToken") or 0), self._get_int_param("MaxRecords") or _PAGE
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return ActionResult({"AlarmHistoryItems": items[start : start + size], **more})
