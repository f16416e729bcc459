"""Endpoints: instances against their quotas, names, and alarms of rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws import endpoints
from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import DENIED
from toolkit.deployment.context import Context
from toolkit.environment import endpoint_name
from toolkit.environment.model import Model
from toolkit.environment.rollout import Rolling
from toolkit.preflight.results import Result


@dataclass
class _Running:
    """The instances of the account, by type.

    Attributes:
        by_endpoint: instances of each endpoint, by type.
        counts: desired instances of each endpoint, by variant.
        denied: the action that was missing to count all; empty if all are counted.
    """

    by_endpoint: dict[str, Counter[str]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    denied: str = ""

    def total(self, instance_type: str) -> int:
        """Instances of one type in all endpoints."""
        return sum(counts[instance_type] for counts in self.by_endpoint.values())


def quotas(context: Context) -> Iterator[Result]:
    """Whether the quota of each instance type holds what runs and what a deployment adds.

    A blue/green update starts a whole new fleet next to the old one, a rolling update a batch.
    """
    models = [(name, model) for name, model in context.environment.models.items() if not model.serverless]
    types = {str(variant.instance_type) for name, model in models for variant in model.all_resolved(name)}
    if not types:
        return
    with ThreadPoolExecutor(1) as pool:
        # Thousands of quotas have tens of pages.
        listing = pool.submit(_quotas, context, types)
        running = _running(context)
        limits = listing.result()
    added, largest, reasons = Counter[str](), Counter[str](), dict[str, list[str]]()
    for name, model in models:
        endpoint = endpoint_name(context.environment.prefix, name)
        for instance_type, (count, most, why) in _needs(name, model, running.counts.get(endpoint)).items():
            added[instance_type] += count
            # Running instances of this endpoint are part of its maximum.
            largest[instance_type] += most - running.by_endpoint.get(endpoint, Counter())[instance_type]
            reasons.setdefault(instance_type, []).append(f"{name} {why} {count}")
    for instance_type in sorted(types):
        quota, runs = limits.get(instance_type), running.total(instance_type)
        yield _judge(
            context,
            instance_type,
            quota,
            running.denied,
            runs,
            added[instance_type],
            runs + largest[instance_type],
            reasons[instance_type],
        )


def _judge(  # noqa: PLR0913, PLR0917 - the numbers of one sentence
    context: Context,
    instance_type: str,
    quota: Any,
    denied: str,
    runs: int,
    added: int,
    most: int,
    reasons: list[str],
) -> Result:
    region, name = context.environment.region, f"{instance_type} for endpoint usage"
    if quota is None:
        # Service Quotas lists the quotas of the region (API reference, ListAWSDefaultServiceQuotas).
        detail = (
            f"{region} has no quota {name!r}: SageMaker does not offer {instance_type} for endpoints there"
        )
        return Result("quota", "failure", detail, "use another instance type, or another region")
    value, needed = int(quota["Value"]), runs + added
    sentence = f"{name} in {region} is {value}: {runs} run, {', '.join(reasons)}"
    if needed > value:
        remedy = _increase(region, quota, max(needed, most))
        return Result("quota", "failure", f"{sentence}, so {needed} are needed", remedy)
    if denied:
        detail = f"{sentence}, and other endpoints cannot be counted"
        return Result("quota", "unknown", detail, f"grant {denied}, or ignore this check")
    if most > value:
        detail = f"{sentence}; scaling to the maximum needs {most}"
        return Result("quota", "warning", detail, _increase(region, quota, most))
    return Result("quota", "ok", sentence)


def _increase(region: str, quota: Any, value: int) -> str:
    return (
        f"run `aws service-quotas request-service-quota-increase --region {region} --service-code sagemaker "
        f"--quota-code {quota['QuotaCode']} --desired-value {value}`"
    )


def _needs(name: str, model: Model, running: Mapping[str, int] | None) -> dict[str, tuple[int, int, str]]:
    """Further instances of a model by type, those at its maximum, and why."""
    needs: dict[str, tuple[int, int, str]] = {}
    for variant in model.all_resolved(name):
        least = variant.capacity.min
        most = max([variant.capacity.max, *(item.max or 0 for item in variant.capacity.schedules)])
        # An update keeps the fleet that autoscaling has chosen.
        count, why = (
            (least, "starts") if running is None else (running.get(variant.variant, least), "doubles by")
        )
        if running is not None and isinstance(model.rollout, Rolling):
            count, why = max(ceil(count * model.rollout.percent / 100), 1), "replaces batches of"
        instance_type = str(variant.instance_type)
        before = needs.get(instance_type, (0, 0, why))
        needs[instance_type] = (before[0] + count, before[1] + most, why)
    return needs


def _quotas(context: Context, types: set[str]) -> dict[str, Any]:
    """The quotas of instance types. An account without applied values has the defaults."""
    client, limits = context.access.service_quotas, dict[str, Any]()
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(operation).paginate(
            ServiceCode="sagemaker", PaginationConfig={"PageSize": 100}
        ):
            for quota in page["Quotas"]:
                instance_type, _, use = quota["QuotaName"].partition(" ")
                if use == "for endpoint usage" and instance_type in types:
                    limits.setdefault(instance_type, quota)
            if len(limits) == len(types):
                return limits
    return limits


def _running(context: Context) -> _Running:
    running, sagemaker = _Running(), context.access.sagemaker
    try:
        pages = sagemaker.get_paginator("list_endpoints").paginate()
        names = [item["EndpointName"] for page in pages for item in page["Endpoints"]]
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        running.denied = "sagemaker:ListEndpoints"
        # Those of the environment can be described.
        names = [endpoint_name(context.environment.prefix, model) for model in context.environment.models]
    for name, counted in zip(names, map_concurrently(lambda name: _count(context, name), names), strict=True):
        if isinstance(counted, str):
            running.denied = running.denied or counted
        elif counted is not None:
            running.by_endpoint[name], running.counts[name] = counted
    return running


def _count(context: Context, name: str) -> tuple[Counter[str], dict[str, int]] | str | None:
    """The instances of an endpoint; the missing action if that is denied, None if it has none."""
    try:
        endpoint = endpoints.describe(context.access, name)
        if endpoint is None or endpoint["EndpointStatus"] in ("Failed", "Deleting"):
            return None
        counts: dict[str, int] = {}
        total: Counter[str] = Counter()
        for fleet in endpoints.fleets(context.access, endpoint):
            total[fleet.instance_type] += fleet.instances
            counts.setdefault(fleet.variant, fleet.instances)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return f"sagemaker:{error.operation_name}"
    return total, counts


def endpoint_names(context: Context) -> Iterator[Result]:
    """Whether the name of each endpoint is free, or belongs to the environment."""
    environment, sagemaker = context.environment, context.access.sagemaker
    for model in environment.models:
        name = endpoint_name(environment.prefix, model)
        endpoint = endpoints.describe(context.access, name)
        if endpoint is None:
            yield Result("endpoint", "ok", f"the name {name} is free")
            continue
        tags = {
            tag["Key"]: tag["Value"]
            for tag in sagemaker.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"]
        }
        status = endpoint["EndpointStatus"]
        if tags.get("deployment") != environment.prefix:
            remedy = "delete that endpoint, or rename the model or the environment"
            yield Result(
                "endpoint", "failure", f"{name} exists and does not belong to {environment.prefix}", remedy
            )
        elif status in endpoints.BROKEN or status in endpoints.MOVING:
            remedy = f"`toolkit status --env {environment.name}` shows why"
            yield Result("endpoint", "warning", f"{name} is {status}", remedy)
        else:
            yield Result("endpoint", "ok", f"{name} is {status} and belongs to {environment.prefix}")


def alarms(context: Context) -> Iterator[Result]:
    """Whether the user's own alarms of rollouts exist: SageMaker refuses unknown ones."""
    rollouts = (model.rollout for model in context.environment.models.values())
    names = sorted({name for rollout in rollouts if rollout is not None for name in rollout.alarms.extra})
    if not names:
        return
    response: Any = context.access.cloudwatch.describe_alarms(
        AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    existing = [*response.get("MetricAlarms", ()), *response.get("CompositeAlarms", ())]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in existing}
    for name in names:
        if name not in states:
            remedy = "create it, or remove it from rollout.alarms.extra"
            yield Result(
                "alarm", "failure", f"alarm {name} does not exist in {context.environment.region}", remedy
            )
        elif states[name] == "ALARM":
            remedy = "wait until it is OK: SageMaker rolls an update back while it fires"
            yield Result("alarm", "warning", f"alarm {name} fires", remedy)
        else:
            yield Result("alarm", "ok", f"alarm {name} exists")
