"""Taking back into the state what an apply made that was cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.errors import DENIED, explain
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff.leftovers import IN_FRONT, Leftovers
from toolkit.environment import endpoint_name
from toolkit.terraform import Change, Plan

_OF_A_MODEL = re.compile(r'module\.endpoint\["(?P<model>[^"]+)"\]\.(?P<type>\w+)\.this\["?(?P<key>\w+)"?\]$')
_OF_THE_API = re.compile(r'module\.api\.(?P<type>\w+)\.(?P<name>\w+)\["?(?P<key>[^"\]]+)"?\]$')


@dataclass(frozen=True)
class Found:
    """Something that is there and missing in the state.

    Attributes:
        kind: which `import` block of the stack takes it.
        id: its id for Terraform.
        model: the model that it belongs to, if any.
        key: its key in the resource's `for_each`, if any.
    """

    kind: str
    id: str
    model: str | None = None
    key: str | None = None


def find(context: Context, plan: Plan) -> list[Found]:
    """What of all that a plan would make is there already, under this environment's names and tags.

    Asks once for each thing that would be made, and nothing if none would.
    """
    there = Leftovers(context)
    created = [change for change in plan.changes if change.action == "create"]
    return [found for change in created if (found := _look(context, there, change)) is not None]


def describe(found: Iterable[Found]) -> list[str]:
    """A line for each, for the user."""
    return [f"adopting {_type(each)} {each.id}: an apply that was cut off made it" for each in found]


def write(found: Iterable[Found], directory: Path) -> Path:
    """The variable that hands them to the stack's `import` blocks; returns the file."""
    adopt: dict[str, list[dict[str, str | None]]] = {}
    for each in found:
        adopt.setdefault(each.kind, []).append({"id": each.id, "model": each.model, "key": each.key})
    path = directory / "adopt.tfvars.json"
    path.write_text(json.dumps({"adopt": adopt}, indent=2), encoding="utf-8")
    return path


def _look(context: Context, there: Leftovers, change: Change) -> Found | None:
    if match := _OF_A_MODEL.match(change.address):
        return _of_a_model(context, there, match["type"], match["model"], match["key"])
    if match := _OF_THE_API.match(change.address):
        if match["type"] in IN_FRONT:
            return _in_front(context, there, change.address, match["type"])
        return _of_the_api(context, there, match["type"], match["name"], match["key"])
    return None


def _of_a_model(context: Context, there: Leftovers, kind: str, model: str, key: str) -> Found | None:
    endpoint = endpoint_name(context.environment.prefix, model)
    log_group = f"/aws/sagemaker/Endpoints/{endpoint}"
    # Of scaling nothing is adopted: to register a target, or to put a policy or a schedule, a second time
    # makes no second one.
    looks: dict[str, tuple[str, Callable[[], str | None]]] = {
        "aws_sagemaker_model": (kind, lambda: there.model(f"{endpoint}-{key}")),
        "aws_sagemaker_endpoint_configuration": (kind, lambda: there.configuration(f"{endpoint}-{key}")),
        "aws_sagemaker_endpoint": (kind, lambda: there.endpoint(endpoint)),
        "aws_cloudwatch_log_group": ("endpoint_log_group", lambda: there.log_group(log_group)),
    }
    if kind not in looks:
        return None
    block, look = looks[kind]
    found = look()
    return Found(block, found, model, key) if found else None


def _of_the_api(context: Context, there: Leftovers, kind: str, name: str, key: str) -> Found | None:
    prefix, stage = context.environment.prefix, context.environment.api.stage
    log_group = f"/aws/apigateway/{prefix}" if key == "access" else f"/aws/lambda/{prefix}-{key}"
    usage_plan = prefix if key == "default" else f"{prefix}-{key}"
    looks: dict[str, tuple[str, Callable[[], str | None]]] = {
        "aws_iam_role": (kind, lambda: there.role(f"{prefix}-{key}")),
        "aws_lambda_function": (name, lambda: there.function(f"{prefix}-{name}")),
        "aws_lambda_permission": (
            f"{name}_permission",
            lambda: there.permission(f"{prefix}-{name}", "api-gateway"),
        ),
        "aws_cloudwatch_log_group": ("api_log_group", lambda: there.log_group(log_group)),
        "aws_api_gateway_rest_api": (kind, lambda: there.api(prefix)),
        "aws_api_gateway_stage": (kind, lambda: there.stage(there.api(prefix), stage)),
        "aws_api_gateway_usage_plan": (kind, lambda: there.usage_plan(usage_plan)),
    }
    if kind not in looks:
        return None
    block, look = looks[kind]
    found = look()
    return Found(block, found, key=key) if found else None


def _in_front(context: Context, there: Leftovers, address: str, kind: str) -> Found | None:
    # A firewall's place before a stage is not adopted: to take it a second time changes nothing.
    prefix, domain = context.environment.prefix, context.environment.api.domain
    try:
        if kind == "aws_wafv2_web_acl":
            found = there.firewall(prefix)
            return Found(kind, f"{found}/{prefix}/REGIONAL") if found else None
        if domain is None:
            return None
        looks: dict[str, Callable[[], str | None]] = {
            "aws_api_gateway_domain_name": lambda: there.domain(domain.name),
            "aws_api_gateway_base_path_mapping": lambda: there.mapping(domain.name, domain.base_path),
            "aws_route53_record": lambda: there.record(domain.hosted_zone_id or "", domain.name),
        }
        found = looks[kind]()
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        # Policies know of it only once the environment's file does; and no name is given out twice.
        context.console.warning(f"whether {address} is there already is not known: {explain(error)}")
        return None
    return Found(kind, found) if found else None


def _type(found: Found) -> str:
    return found.kind.removeprefix("aws_").replace("_", " ")
