"""Whether the endpoints of an environment are idle, from SageMaker's metrics in CloudWatch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment import outputs
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel

_NAMESPACE = "AWS/SageMaker"
# CloudWatch returns at most 1,440 datapoints for a request.
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_MINUTES_UP_TO = timedelta(hours=12)


@dataclass(frozen=True)
class Activity:
    """The requests to a model in a period.

    Attributes:
        model: its name.
        requests: requests to its endpoint, or in its queue.
        last: start of the minute, or of the hour, of the last request; None without requests.
        updated: when its endpoint was created or last updated; None if there is no endpoint.
        since: start of the period.
    """

    model: str
    requests: int
    last: datetime | None
    updated: datetime | None
    since: datetime

    @property
    def is_idle(self) -> bool:
        """Whether the endpoint existed all the time, unchanged, without a request."""
        return self.requests == 0 and (self.updated is None or self.updated < self.since)

    def __str__(self) -> str:
        if self.last is not None:
            requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
            return f"{self.model}: {requests} since {_utc(self.since)}, the last at {_utc(self.last)}"
        if self.updated is not None and not self.is_idle:
            return f"{self.model}: no request yet, created or updated at {_utc(self.updated)}"
        return f"{self.model}: no request since {_utc(self.since)}"


def activity(context: Context, seconds: int) -> list[Activity]:
    """The activity of each deployed model in the last `seconds`.

    Raises:
        PreflightError: the environment is not deployed.
    """
    models, now = outputs.read(context).models, context.access.now()
    since = now - timedelta(seconds=seconds)
    with context.console.progress("reading the metrics of the endpoints"):
        return map_concurrently(partial(_activity, context.access, since, now), models.items())


def _activity(access: AwsAccess, since: datetime, now: datetime, item: tuple[str, DeployedModel]) -> Activity:
    name, model = item
    description = endpoints.describe(access, model.endpoint_name)
    points = list(_points(access, model, since, now))
    return Activity(
        model=name,
        requests=round(sum(value for _, value in points)),
        last=max((moment for moment, value in points if value), default=None),
        updated=description["LastModifiedTime"] if description is not None else None,
        since=since,
    )


def _points(
    access: AwsAccess, model: DeployedModel, since: datetime, now: datetime
) -> Iterator[tuple[datetime, float]]:
    """Counts of requests by time.

    The names are from "Monitor SageMaker AI with CloudWatch" and "Alarms and logs for tracking metrics from
    asynchronous endpoints" in SageMaker's developer guide. It spells one "InvocationsProcesssed", unlike
    the metrics that were read from AWS (cloud-custodian/cloud-custodian#11078): both count.
    """
    variants = [{"EndpointName": model.endpoint_name, "VariantName": name} for name in model.variant_names]
    counts = ("InvocationsProcessed", "InvocationsProcesssed")
    names = counts if model.endpoint_type == "async" else ("Invocations",)
    metrics = [(name, variant) for variant in variants for name in names]
    if model.endpoint_type == "async":
        metrics.append(("ApproximateBacklogSize", {"EndpointName": model.endpoint_name}))
    for name, dimensions in metrics:
        response = access.cloudwatch.get_metric_statistics(
            Namespace=_NAMESPACE,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=since,
            # The present minute has not ended.
            EndTime=now + _MINUTE,
            Period=int((_MINUTE if now - since <= _MINUTES_UP_TO else _HOUR).total_seconds()),
            Statistics=["Sum"],
        )
        for point in response["Datapoints"]:
            yield point["Timestamp"], point["Sum"]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
