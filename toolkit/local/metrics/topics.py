"""Alarm actions that are SNS topics: the messages that CloudWatch sends."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm
from moto.sns.models import sns_backends

from toolkit.local.metrics.alarms import Firing, find
from toolkit.local.service import ACCOUNT_ID

PREFIX = "arn:aws:sns:"
_MAX_SUBJECT = 100


async def publish(firing: Firing) -> None:
    """Tell a topic what an alarm's state is, and was.

    Raises:
        Exception: moto's, if there is no such topic.
    """
    alarm = find(firing.region, firing.alarm)
    if alarm is not None:
        subject = f'{firing.state}: "{firing.alarm}" in {firing.region}'[:_MAX_SUBJECT]
        message = json.dumps(_message(alarm, firing))
        topics = sns_backends[ACCOUNT_ID][firing.action.split(":")[3]]
        # Subscriptions may be queues and functions.
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
