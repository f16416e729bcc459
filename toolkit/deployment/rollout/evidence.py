"""Why a rollout went wrong, as far as AWS can tell: reasons, alarms, the new containers' last words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from toolkit.aws import logs
from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

LOG_LINES = 15
# What DescribeAlarms takes at once.
ALARMS_AT_ONCE = 100


def alarms(access: AwsAccess, names: Sequence[str], since: datetime | None) -> list[str]:
    """A line for each alarm that fired since then, or that fires now.

    An alarm on the new fleet is quiet again once that fleet is gone: what it was is in its history.
    """
    if not names:
        return []
    try:
        known = access.cloudwatch.describe_alarms(AlarmNames=list(names[:ALARMS_AT_ONCE]))
        return [line for alarm in known["MetricAlarms"] for line in _fired(access, alarm, since)]
    except ClientError as error:
        return [f"the alarms can't be read: {error}"]


def log(access: AwsAccess, endpoint: str, since: datetime | None) -> list[str]:
    """The last lines of the containers that were started since then, under a heading, if there are any."""
    try:
        found = logs.tail(access, f"/aws/sagemaker/Endpoints/{endpoint}", LOG_LINES, created=since)
    except ClientError as error:
        return [f"the containers' log can't be read: {error}"]
    whose = "the new containers'" if since else "the containers'"
    return [f"{whose} last log lines:", *(f"  {line}" for line in found)] if found else []


def _fired(access: AwsAccess, alarm: MetricAlarmTypeDef, since: datetime | None) -> list[str]:
    name = alarm["AlarmName"]
    if alarm["StateValue"] == "ALARM":
        return [_line(alarm, alarm["StateUpdatedTimestamp"], alarm.get("StateReason", ""))]
    if since is None:
        return []
    history = access.cloudwatch.describe_alarm_history(
        AlarmName=name, HistoryItemType="StateUpdate", StartDate=since, ScanBy="TimestampDescending"
    )
    for item in history["AlarmHistoryItems"]:
        state: dict[str, Any] = json.loads(item["HistoryData"]).get("newState", {})
        if state.get("stateValue") == "ALARM":
            return [_line(alarm, item["Timestamp"], state.get("stateReason", ""))]
    return []


def _line(alarm: MetricAlarmTypeDef, moment: datetime, reason: str) -> str:
    about = f"{alarm.get('MetricName', 'metrics')}, threshold {alarm.get('Threshold', 'none')}"
    return f"alarm {alarm['AlarmName']} ({about}) fired at {moment:%H:%M:%S %Z}: {reason}"
