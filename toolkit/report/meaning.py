"""What a plan's changes mean for who calls the models, in the terms of SageMaker and API Gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.report import kinds
from toolkit.report.changes import Change


def dangers(changes: Sequence[Change]) -> list[tuple[str, Change]]:
    """What is lost or interrupted, a sentence each."""
    return [(_loss(change), change) for change in changes if change.loses_state]


def consequences(changes: Sequence[Change]) -> list[str]:
    """What the changes of one part mean."""
    return list(dict.fromkeys(text for change in changes for text in _consequences(change, changes)))


def _loss(change: Change) -> str:
    text = kinds.STATEFUL[change.type].format(name=change.old_name or change.name)
    if change.action == "destroy":
        return text
    if change.type == "aws_sagemaker_endpoint" and change.old_name:
        return f"{text}: it is replaced by {change.name}; clients that call it by name break"
    return f"{text}; it is replaced, because {change.reason or 'Terraform says so'}"


def _consequences(change: Change, neighbours: Sequence[Change]) -> Iterator[str]:
    if change.type == "aws_sagemaker_endpoint":
        yield from _endpoint(change, neighbours)
    elif change.type == "aws_appautoscaling_target" and change.action == "update":
        values = change.values
        yield f"the fleet may have {values.get('min_capacity')} to {values.get('max_capacity')} instances"
    elif change.type == "aws_lambda_function" and change.action == "update":
        if any(each.path.startswith(("source_code_hash", "filename")) for each in change.differences):
            yield f"the function {change.name} runs new code from its next request on"
    elif change.type == "aws_api_gateway_deployment" and change.action in ("replace", "update"):
        yield "the API's new definition goes live at once, for all clients"
    elif change.type == "aws_api_gateway_method_settings" and change.action == "update":
        yield "other limits on requests hold at once"
    elif change.type.startswith("aws_iam_role") and change.action in ("update", "replace"):
        yield f"rights change: {change.name}"


def _endpoint(change: Change, neighbours: Sequence[Change]) -> Iterator[str]:
    if change.action == "create":
        yield f"a new endpoint {change.name} starts{_fleet(neighbours)}; it is paid for from then on"
    elif change.action == "replace":
        fleet = _fleet(neighbours)
        yield f"the endpoint {change.name} is deleted and made again{fleet}: no answers in between"
    elif change.action == "destroy":
        yield f"the endpoint {change.name} is deleted and no longer paid for"
    elif change.action == "update":
        moved = [each for each in change.differences if each.path == "endpoint_config_name"]
        if moved:
            yield f"the endpoint {change.name} rolls over to a new configuration{_how(change.values)}"


def _fleet(neighbours: Sequence[Change]) -> str:
    """Of how many instances of what type, where the plan has the configuration."""
    configurations = [
        each
        for each in neighbours
        if each.type.endswith("endpoint_configuration") and each.action != "destroy"
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


def _how(endpoint: Mapping[str, Any]) -> str:
    """How SageMaker exchanges a fleet, from an endpoint's deployment_config."""
    settings = _first(endpoint.get("deployment_config"))
    alarms = _first(settings.get("auto_rollback_configuration")).get("alarms") or []
    watch = f"; {len(alarms)} alarm{'' if len(alarms) == 1 else 's'} can take it back" if alarms else ""
    rolling = _first(settings.get("rolling_update_policy"))
    if rolling:
        size = _first(rolling.get("maximum_batch_size")).get("value")
        return (
            f", {size} % of the instances at a time, waiting {rolling['wait_interval_in_seconds']} s{watch}"
        )
    update = _first(settings.get("blue_green_update_policy"))
    routing = _first(update.get("traffic_routing_configuration"))
    if not routing:
        return ""
    twice = " beside the old one, which takes twice the instances for a while"
    bake = update.get("termination_wait_in_seconds")
    keep = f"; the old fleet stays {bake} s longer" if bake else ""
    return f": a whole new fleet{twice}, {_traffic(routing)}{keep}{watch}"


def _traffic(routing: Mapping[str, Any]) -> str:
    wait = routing.get("wait_interval_in_seconds") or 0
    if routing.get("type") == "CANARY":
        size = _first(routing.get("canary_size")).get("value")
        return f"a canary of {size} % gets traffic first, and after {wait} s all of it follows"
    if routing.get("type") == "LINEAR":
        size = _first(routing.get("linear_step_size")).get("value")
        return f"traffic moves over in steps of {size} %, {wait} s apart"
    return "all traffic moves over at once"


def _first(blocks: Any) -> Mapping[str, Any]:
    """A block that stands at most once, as Terraform has it: in a list."""
    return blocks[0] if isinstance(blocks, list) and blocks and isinstance(blocks[0], Mapping) else {}
