"""Repair the state after an interrupted apply: untaint and import what exists already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import DENIED, explain
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import registry
from toolkit.deployment.recovery.orphans import OwnedResources, Stack
from toolkit.deployment.recovery.registry import Address, Recovery
from toolkit.errors import TerraformError
from toolkit.files import write_atomic
from toolkit.terraform import Change, Plan, Workspace

# SageMaker creates models and configurations at once or not at all, and names them after their content:
# recreating one of the same name is refused by every apply, until it is untainted. Endpoints finish their
# creation without Terraform, also after the provider has stopped waiting; if one Failed, the toolkit requests
# its replacement.
_FINISHED_BY_SAGEMAKER = (
    "aws_sagemaker_model",
    "aws_sagemaker_endpoint_configuration",
    "aws_sagemaker_endpoint",
)


@dataclass(frozen=True)
class Import:
    """A resource that exists and is missing in the state.

    Attributes:
        address: its address in the plan.
        id: its Terraform import ID.
    """

    address: Address
    id: str


def spuriously_tainted(plan: Plan) -> list[str]:
    """Addresses that a plan replaces only because an interruption tainted them."""
    return [
        change.address
        for change in plan.changes
        if (change.action, change.reason) == ("replace", "tainted")
        and change.resource_type in _FINISHED_BY_SAGEMAKER
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


def find(
    context: Context,
    plan: Plan,
    stack: Stack = "inference",
    recorded: Mapping[str, frozenset[str]] | None = None,
) -> list[Import]:
    """Resources that a plan would create and that exist under the stack's names and tags.

    One look-up per creation, several at a time; none for a plan without creations.

    Args:
        context: the environment.
        plan: the plan.
        stack: the planned stack.
        recorded: IDs by type of the resources in the state, to which parts of them belong.
    """
    recoveries, owned = registry.STACKS[stack], OwnedResources(context, recorded, stack)
    created = [change for change in plan.changes if change.action == "create"]
    supported = [
        (recovery, change)
        for change in created
        if (recovery := recoveries.get(Address.parse(change.address).block)) is not None
    ]
    imports = map_concurrently(lambda pair: _look_up(context, owned, *pair), supported)
    return [resource for resource in imports if resource is not None]


def describe(imports: Iterable[Import]) -> list[str]:
    """A line for each import."""
    return [
        f"importing {resource.address.resource_type.removeprefix('aws_').replace('_', ' ')} {resource.id}: "
        "an interrupted apply created it"
        for resource in imports
    ]


def write(imports: Iterable[Import], directory: Path) -> Path:
    """Write the variable behind the stack's `import` blocks; returns the file."""
    blocks: dict[str, list[dict[str, str]]] = {}
    for resource in imports:
        keys = {"model": resource.address.model, "key": resource.address.key}
        entry = {"id": resource.id} | {name: key for name, key in keys.items() if key is not None}
        blocks.setdefault(resource.address.block, []).append(entry)
    path = directory / "imports.tfvars.json"
    write_atomic(path, json.dumps({"imports": blocks}, indent=2))
    return path


def _look_up(context: Context, owned: OwnedResources, recovery: Recovery, change: Change) -> Import | None:
    address = Address.parse(change.address)
    if isinstance(recovery.look_up, str):
        return None
    try:
        resource_id = recovery.look_up(owned, address)
    except ClientError as error:
        if not recovery.ingress or error.response["Error"]["Code"] not in DENIED:
            raise
        # IAM policies cover it only after the next bootstrap; AWS assigns each of these names only once.
        context.console.warning(f"cannot check whether {change.address} exists: {explain(error)}")
        return None
    return Import(address, resource_id) if resource_id else None
