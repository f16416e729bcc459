"""Check that SageMaker serves the planned configuration, and explain the difference if not.

The provider reports success after SageMaker has rolled a deployment back (terraform-provider-aws #46663,
#48997). The module's postcondition makes Terraform fail then; SageMaker knows why and what serves now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit import documents
from toolkit.aws import logs
from toolkit.aws.access import AwsAccess
from toolkit.aws.endpoints import STUCK
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.deployment.rollout import waiters
from toolkit.errors import RolloutError

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

    from toolkit.aws.endpoints import Description
    from toolkit.deployment.rollout.quality import Gate

LOG_LINES = 15
# Errors of UpdateEndpoint after which no update is in progress, as Terraform's adapter words them.
_REFUSED = re.compile(
    r"SageMaker UpdateEndpoint: (?:ResourceLimitExceeded|ValidationException)\b"
    r"|not allowed to call sagemaker:UpdateEndpoint\b"
)
# Limit of DescribeAlarms.
_ALARMS_PER_REQUEST = 100


@dataclass(frozen=True)
class _AlarmState:
    stateValue: str = ""  # noqa: N815 - CloudWatch's name
    stateReason: str = ""  # noqa: N815 - CloudWatch's name


@dataclass(frozen=True)
class _HistoryData:
    """An item of an alarm's history, as far as this module uses it."""

    newState: _AlarmState = field(default_factory=_AlarmState)  # noqa: N815 - CloudWatch's name


@dataclass(frozen=True)
class Rollout:
    """The changes of one apply.

    Attributes:
        endpoints: names of the endpoints that its plan creates or updates.
        since: when it began, by AWS's clock; None if it changed nothing.
        gates: the quality gates, by model.
    """

    endpoints: frozenset[str] = frozenset()
    since: datetime | None = None
    gates: Mapping[str, Gate] = field(default_factory=dict)


def endpoints(context: Context, outputs: Outputs, rollout: Rollout) -> None:
    """Check that each endpoint is InService on the planned configuration and variants.

    Raises:
        RolloutError: some are not; with SageMaker's reasons, alarms and the end of the containers' logs.
    """
    error = None if outputs.paused else _combined(_differences(context, outputs.models, rollout))
    if error is not None:
        raise error


def failed_rollouts(
    context: Context, models: Mapping[str, DeployedModel], rollout: Rollout, message: str
) -> RolloutError | None:
    """The error about endpoints that Terraform's error names and that are not as planned.

    Without a rollout, because AWS refused the request, Terraform's error has the reason.

    Args:
        context: the environment.
        models: the planned models.
        rollout: what the apply changed.
        message: Terraform's error.
    """
    mentioned = {
        name: model
        for name, model in models.items()
        if (lines := [line for line in message.splitlines() if _mentions(line, model.endpoint_name)])
        and not any(map(_REFUSED.search, lines))
    }
    return _combined(_differences(context, mentioned, rollout))


def _mentions(message: str, endpoint: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(endpoint)}(?![\w-])", message) is not None


def _differences(
    context: Context, models: Mapping[str, DeployedModel], rollout: Rollout
) -> list[RolloutError]:
    descriptions = waiters.wait_until_stable(context, [model.endpoint_name for model in models.values()])
    errors = []
    for name, model in models.items():
        endpoint = descriptions.get(model.endpoint_name)
        difference = _difference(model, endpoint, rollout)
        if difference is not None:
            gate = rollout.gates.get(name)
            failed = gate.failed if gate is not None else []
            causes = [f"the new fleet did not meet the expectation {finding}" for finding in failed]
            if gate is not None and gate.late is not None:
                causes.append(gate.late)
            details = [*causes, *_details(context, model, endpoint, rollout)]
            remedy = f"correct {context.environment.file} and apply again; the endpoint is left as it is"
            errors.append(RolloutError(difference, where=f"models.{name}", details=details, remedy=remedy))
    return errors


def _difference(model: DeployedModel, endpoint: Description | None, rollout: Rollout) -> str | None:
    """How an endpoint differs from the plan, in one sentence; None if it does not."""
    name = model.endpoint_name
    if endpoint is None:
        return f"endpoint {name} does not exist"
    status, configuration = endpoint["EndpointStatus"], endpoint.get("EndpointConfigName")
    variants = sorted(variant["VariantName"] for variant in endpoint.get("ProductionVariants", []))
    if status != "InService":
        return f"endpoint {name} is {status}"
    if configuration != model.endpoint_config_name:
        return (
            f"endpoint {name} was rolled back by SageMaker: it is on {configuration}, "
            f"not on the planned {model.endpoint_config_name}"
        )
    if variants != sorted(model.variant_names):
        return f"endpoint {name} has the variants {variants}, not {model.variant_names}"
    # SageMaker keeps a reason until the next update, so only an endpoint updated now can have a new one.
    if endpoint.get("FailureReason") and name in rollout.endpoints:
        return f"endpoint {name} is on {configuration} as planned, but SageMaker reports a failed update"
    return None


def _details(
    context: Context, model: DeployedModel, endpoint: Description | None, rollout: Rollout
) -> list[str]:
    reason = endpoint.get("FailureReason") if endpoint else None
    since = rollout.since if model.endpoint_name in rollout.endpoints else None
    return [
        *([f"reason: {reason}"] if reason else []),
        *alarm_lines(context.access, model.alarm_names, since),
        f"serves now: {_serving(endpoint)}",
        *log_lines(context.access, model.endpoint_name, since),
    ]


def _serving(endpoint: Description | None) -> str:
    if endpoint is None or endpoint["EndpointStatus"] == "Failed":
        return "nothing"
    if endpoint["EndpointStatus"] == STUCK:
        return f"a mix of {endpoint.get('EndpointConfigName')} and the configuration of its last update"
    return str(endpoint.get("EndpointConfigName"))


def _combined(errors: Iterable[RolloutError]) -> RolloutError | None:
    """One error for all: the only one itself, or one with each of several in its details."""
    errors = list(errors)
    if len(errors) < 2:
        return errors[0] if errors else None
    lines = [
        line
        for error in errors
        for line in (f"{error.where}: {error.message}", *(f"  {detail}" for detail in error.details))
    ]
    return RolloutError(
        f"{len(errors)} endpoints do not serve what was planned", details=lines, remedy=errors[0].remedy
    )


def alarm_lines(access: AwsAccess, names: Sequence[str], since: datetime | None) -> list[str]:
    """A line for each alarm that fires, or has fired since then.

    An alarm on the new fleet is OK again once that fleet is gone; its history shows that it fired.
    """
    if not names:
        return []
    try:
        response = access.cloudwatch.describe_alarms(AlarmNames=list(names[:_ALARMS_PER_REQUEST]))
        return [line for alarm in response["MetricAlarms"] for line in _fired(access, alarm, since)]
    except ClientError as error:
        return [f"cannot read the alarms: {error}"]


def log_lines(access: AwsAccess, endpoint: str, since: datetime | None) -> list[str]:
    """The last log lines of the containers started since then, under a heading; none if there are none."""
    try:
        lines = logs.tail(access, f"/aws/sagemaker/Endpoints/{endpoint}", LOG_LINES, created=since)
    except ClientError as error:
        return [f"cannot read the containers' log: {error}"]
    owner = "the new containers'" if since else "the containers'"
    return [f"{owner} last log lines:", *(f"  {line}" for line in lines)] if lines else []


def _fired(access: AwsAccess, alarm: MetricAlarmTypeDef, since: datetime | None) -> list[str]:
    name = alarm["AlarmName"]
    if alarm["StateValue"] == "ALARM":
        return [_alarm_line(alarm, alarm["StateUpdatedTimestamp"], alarm.get("StateReason", ""))]
    if since is None:
        return []
    history = access.cloudwatch.describe_alarm_history(
        AlarmName=name, HistoryItemType="StateUpdate", StartDate=since, ScanBy="TimestampDescending"
    )
    for item in history["AlarmHistoryItems"]:
        try:
            state = documents.parse(item["HistoryData"], _HistoryData).newState
        except documents.DamagedError:
            continue  # the history only explains; other items may be readable
        if state.stateValue == "ALARM":
            return [_alarm_line(alarm, item["Timestamp"], state.stateReason)]
    return []


def _alarm_line(alarm: MetricAlarmTypeDef, moment: datetime, reason: str) -> str:
    condition = f"{alarm.get('MetricName', 'metrics')}, threshold {alarm.get('Threshold', 'none')}"
    return f"alarm {alarm['AlarmName']} ({condition}) fired at {moment:%H:%M:%S %Z}: {reason}"
