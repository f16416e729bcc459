"""The impact of a plan on callers and cost, in SageMaker's and API Gateway's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.report import resource_types
from toolkit.report.changes import Change


def destructive_changes(changes: Sequence[Change]) -> list[tuple[str, Change]]:
    """The changes that lose data or interrupt service, with a sentence about each."""
    return [(_loss(change), change) for change in changes if change.loses_state]


def consequences(changes: Sequence[Change]) -> list[str]:
    """The consequences of one part's changes, a sentence each."""
    return list(dict.fromkeys(text for change in changes for text in _consequences(change, changes)))


def _loss(change: Change) -> str:
    loss = resource_types.STATEFUL[change.type].format(name=change.old_name or change.name)
    if change.action == "destroy":
        return loss
    if change.type == "aws_sagemaker_endpoint" and change.old_name:
        return f"{loss}: {change.name} replaces it; clients that call it by name break"
    return f"{loss}; it is replaced because {change.reason or 'Terraform requires it'}"


def _consequences(change: Change, changes: Sequence[Change]) -> Iterator[str]:
    if change.type == "aws_sagemaker_endpoint":
        yield from _endpoint(change, changes)
    elif change.type == "aws_appautoscaling_target" and change.action == "update":
        values = change.values
        yield f"autoscaling keeps {values.get('min_capacity')} to {values.get('max_capacity')} instances"
    elif change.type == "aws_lambda_function" and change.action == "update":
        if any(diff.path.startswith(("source_code_hash", "filename")) for diff in change.differences):
            yield f"function {change.name} runs new code from its next request"
    elif change.type == "aws_api_gateway_deployment" and change.action in ("replace", "update"):
        yield "the API's new definition goes live immediately, for all clients"
    elif change.type == "aws_api_gateway_method_settings" and change.action == "update":
        yield "new request limits apply immediately"
    elif change.type.startswith("aws_iam_role") and change.action in ("update", "replace"):
        yield f"permissions change: {change.name}"


def _endpoint(change: Change, changes: Sequence[Change]) -> Iterator[str]:
    if change.action == "create":
        fleet = _fleet(changes)
        # MetricsConfig.EnableDetailedObservability is on by default, and the provider cannot switch it off.
        costs = "" if "serverless" in fleet else " for its instances and their detailed metrics in CloudWatch"
        yield f"new endpoint {change.name} starts{fleet}; charges start{costs}"
    elif change.action == "replace":
        yield f"endpoint {change.name} is deleted and recreated{_fleet(changes)}: downtime until it is up"
    elif change.action == "destroy":
        yield f"endpoint {change.name} is deleted; charges end"
    elif change.action == "update" and any(
        diff.path == "endpoint_config_name" for diff in change.differences
    ):
        yield f"endpoint {change.name} is updated to a new configuration{_rollout(change.values)}"


def _fleet(changes: Sequence[Change]) -> str:
    """Instance counts and types, if the plan contains the endpoint configuration."""
    configurations = [
        change
        for change in changes
        if change.type.endswith("endpoint_configuration") and change.action != "destroy"
    ]
    if len(configurations) != 1:
        return ""
    variants = configurations[0].values.get("production_variants") or []
    fleets = [
        f"{variant.get('initial_instance_count')} {variant['instance_type']}"
        for variant in variants
        if variant.get("instance_type")
    ]
    return f" with {' and '.join(fleets)}" if fleets else ", serverless"


def _rollout(endpoint: Mapping[str, Any]) -> str:
    """The rollout that an endpoint's deployment_config describes."""
    settings = _first(endpoint.get("deployment_config"))
    alarms = _first(settings.get("auto_rollback_configuration")).get("alarms") or []
    guard = f"; {len(alarms)} alarm{'' if len(alarms) == 1 else 's'} can roll it back" if alarms else ""
    rolling = _first(settings.get("rolling_update_policy"))
    if rolling:
        size = _first(rolling.get("maximum_batch_size")).get("value")
        return f", {size} % of the instances at a time, {rolling['wait_interval_in_seconds']} s apart{guard}"
    update = _first(settings.get("blue_green_update_policy"))
    routing = _first(update.get("traffic_routing_configuration"))
    if not routing:
        return ""
    bake = update.get("termination_wait_in_seconds")
    keep = f"; the old fleet is kept for {bake} s" if bake else ""
    return f": blue/green, with twice the instances meanwhile; {_traffic(routing)}{keep}{guard}"


def _traffic(routing: Mapping[str, Any]) -> str:
    wait = routing.get("wait_interval_in_seconds") or 0
    if routing.get("type") == "CANARY":
        size = _first(routing.get("canary_size")).get("value")
        return f"a canary takes {size} % of the traffic, the rest shifts after {wait} s"
    if routing.get("type") == "LINEAR":
        size = _first(routing.get("linear_step_size")).get("value")
        return f"traffic shifts in steps of {size} %, {wait} s apart"
    return "all traffic shifts at once"


def _first(blocks: Any) -> Mapping[str, Any]:
    """The content of an optional block, which Terraform represents as a list."""
    return blocks[0] if isinstance(blocks, list) and blocks and isinstance(blocks[0], Mapping) else {}
