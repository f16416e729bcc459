"""Repair the state after an interrupted apply: untaint and import what exists already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import DENIED, explain
from toolkit.deployment.context import Context
from toolkit.deployment.recovery.orphans import INGRESS, OwnedResources
from toolkit.environment import endpoint_name
from toolkit.errors import TerraformError
from toolkit.terraform import Change, Plan, Workspace

# SageMaker creates these at once or not at all, and names them after their content: recreating one of the
# same name is refused by every apply, until it is untainted.
_ATOMIC = ("aws_sagemaker_model", "aws_sagemaker_endpoint_configuration")
_OF_A_MODEL = re.compile(r'module\.endpoint\["(?P<model>[^"]+)"\]\.(?P<type>\w+)\.this\["?(?P<key>\w+)"?\]$')
_OF_THE_API = re.compile(r'module\.api\.(?P<type>\w+)\.(?P<name>\w+)\["?(?P<key>[^"\]]+)"?\]$')


@dataclass(frozen=True)
class Import:
    """A resource that exists and is missing in the state.

    Attributes:
        block: the stack's `import` block that takes it.
        id: its Terraform import ID.
        model: the model it belongs to, if any.
        key: its key in the resource's `for_each`, if any.
    """

    block: str
    id: str
    model: str | None = None
    key: str | None = None


def spuriously_tainted(plan: Plan) -> list[str]:
    """Addresses that a plan replaces only because an interruption tainted them."""
    return [
        change.address
        for change in plan.changes
        if (change.action, change.reason) == ("replace", "tainted") and change.resource_type in _ATOMIC
    ]


def untaint(context: Context, workspace: Workspace, plan: Plan) -> bool:
    """Untaint resources whose creation finished before Terraform was interrupted.

    Returns:
        Whether the state changed, so that the plan is stale.
    """
    addresses = spuriously_tainted(plan)
    try:
        for address in addresses:
            workspace.untaint(address)
            context.console.line(f"keeping {address}: an interrupted apply created it")
    except TerraformError as error:
        # Read-only credentials still get to see the plan.
        context.console.warning(str(error))
        return False
    return bool(addresses)


def find(context: Context, plan: Plan) -> list[Import]:
    """Resources that a plan would create and that exist under this environment's names and tags.

    One look-up per creation, several at a time; none for a plan without creations.
    """
    created = [change for change in plan.changes if change.action == "create"]
    resources = OwnedResources(context)
    imports = map_concurrently(lambda change: _look_up(context, resources, change), created)
    return [resource for resource in imports if resource is not None]


def describe(imports: Iterable[Import]) -> list[str]:
    """A line for each import."""
    return [
        f"importing {resource.block.removeprefix('aws_').replace('_', ' ')} {resource.id}: "
        "an interrupted apply created it"
        for resource in imports
    ]


def write(imports: Iterable[Import], directory: Path) -> Path:
    """Write the variable behind the stack's `import` blocks; returns the file."""
    blocks: dict[str, list[dict[str, str | None]]] = {}
    for resource in imports:
        entry = {"id": resource.id, "model": resource.model, "key": resource.key}
        blocks.setdefault(resource.block, []).append(entry)
    path = directory / "imports.tfvars.json"
    path.write_text(json.dumps({"imports": blocks}, indent=2), encoding="utf-8")
    return path


def _look_up(context: Context, resources: OwnedResources, change: Change) -> Import | None:
    if match := _OF_A_MODEL.match(change.address):
        return _of_a_model(context, resources, match["type"], match["model"], match["key"])
    if match := _OF_THE_API.match(change.address):
        if match["type"] in INGRESS:
            return _ingress(context, resources, change.address, match["type"])
        return _of_the_api(context, resources, match["type"], match["name"], match["key"])
    return None


def _of_a_model(
    context: Context, resources: OwnedResources, kind: str, model: str, key: str
) -> Import | None:
    endpoint = endpoint_name(context.environment.prefix, model)
    log_group = f"/aws/sagemaker/Endpoints/{endpoint}"
    # Scaling is not imported: registering a target, or putting a policy or a schedule, is idempotent.
    lookups: dict[str, tuple[str, Callable[[], str | None]]] = {
        "aws_sagemaker_model": (kind, lambda: resources.model(f"{endpoint}-{key}")),
        "aws_sagemaker_endpoint_configuration": (kind, lambda: resources.configuration(f"{endpoint}-{key}")),
        "aws_sagemaker_endpoint": (kind, lambda: resources.endpoint(endpoint)),
        "aws_cloudwatch_log_group": ("endpoint_log_group", lambda: resources.log_group(log_group)),
    }
    if kind not in lookups:
        return None
    block, look_up = lookups[kind]
    resource_id = look_up()
    return Import(block, resource_id, model, key) if resource_id else None


def _of_the_api(context: Context, resources: OwnedResources, kind: str, name: str, key: str) -> Import | None:
    prefix, stage = context.environment.prefix, context.environment.api.stage
    log_group = f"/aws/apigateway/{prefix}" if key == "access" else f"/aws/lambda/{prefix}-{key}"
    usage_plan = prefix if key == "default" else f"{prefix}-{key}"
    lookups: dict[str, tuple[str, Callable[[], str | None]]] = {
        "aws_iam_role": (kind, lambda: resources.role(f"{prefix}-{key}")),
        "aws_lambda_function": (name, lambda: resources.function(f"{prefix}-{name}")),
        "aws_lambda_permission": (
            f"{name}_permission",
            lambda: resources.permission(f"{prefix}-{name}", "api-gateway"),
        ),
        "aws_cloudwatch_log_group": ("api_log_group", lambda: resources.log_group(log_group)),
        "aws_api_gateway_rest_api": (kind, lambda: resources.api(prefix)),
        "aws_api_gateway_stage": (kind, lambda: resources.stage(resources.api(prefix), stage)),
        "aws_api_gateway_usage_plan": (kind, lambda: resources.usage_plan(usage_plan)),
    }
    if kind not in lookups:
        return None
    block, look_up = lookups[kind]
    resource_id = look_up()
    return Import(block, resource_id, key=key) if resource_id else None


def _ingress(context: Context, resources: OwnedResources, address: str, kind: str) -> Import | None:
    # A web ACL's association is not imported: associating it again changes nothing.
    prefix, domain = context.environment.prefix, context.environment.api.domain
    try:
        if kind == "aws_wafv2_web_acl":
            web_acl = resources.firewall(prefix)
            return Import(kind, f"{web_acl}/{prefix}/REGIONAL") if web_acl else None
        if domain is None:
            return None
        lookups: dict[str, Callable[[], str | None]] = {
            "aws_api_gateway_domain_name": lambda: resources.domain(domain.name),
            "aws_api_gateway_base_path_mapping": lambda: resources.mapping(domain.name, domain.base_path),
            "aws_route53_record": lambda: resources.record(domain.hosted_zone_id or "", domain.name),
        }
        resource_id = lookups[kind]()
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        # IAM policies cover it only after the next bootstrap; AWS gives out none of these names twice.
        context.console.warning(f"cannot check whether {address} exists: {explain(error)}")
        return None
    return Import(kind, resource_id) if resource_id else None
