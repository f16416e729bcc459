"""The changes of a plan, one per resource."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.report import replacements, resource_types
from toolkit.report.differences import Difference, differences

# Modules of the inference stack; other addresses belong to the account stack.
_MODULES = {"module.api.": "API", "module.observability.": "observability"}
_ENDPOINT = re.compile(r'module\.endpoint\["(?P<model>[^"]+)"\]\.')
_NAMES = ("name", "alarm_name", "function_name", "bucket", "stage_name", "resource_id", "role", "rest_api_id")
ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "destroy",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "forget",
}
# Not one of Terraform's reasons: a deposed object, whose replacement already exists.
DEPOSED = "deposed"
# The resource is tainted, or the toolkit requested a replacement because its endpoint failed. A tainted
# endpoint may serve: the toolkit untaints it if the credentials may write the state.
_TAINTED = "replace_because_tainted"
_FAILED = (_TAINTED, "replace_by_request", DEPOSED)
# Sentences by Terraform's `action_reason`.
_REASONS = {
    DEPOSED: "its replacement exists; an interrupted or failed apply left it behind",
    replacements.REASON: "it is immutable: a new version is created, then the old one is deleted",
    _TAINTED: "its creation did not complete",
    "replace_by_request": "it failed and cannot be repaired",
    "replace_by_triggers": "a resource it depends on is replaced",
    "delete_because_no_resource_config": "it is no longer in the code",
    "delete_because_no_module": "its module is no longer in the code",
    "delete_because_wrong_repetition": "its count or for_each changed",
    "delete_because_count_index": "its count was reduced",
    "delete_because_each_key": "its key is no longer in for_each",
    "delete_because_no_move_target": "it was moved to an address that does not exist",
}


@dataclass(frozen=True)
class Change:
    """A planned change of one resource.

    Attributes:
        address: its address in Terraform.
        type: its type in Terraform.
        name: its name in AWS, or in Terraform if AWS's name is not known.
        old_name: its previous name, if that changes.
        action: create, update, replace, destroy, adopt (import), move or forget.
        part: what it belongs to: "model NAME", "API", "observability" or "account".
        reason: why it is replaced or destroyed.
        differences: attributes that change; empty if it is created or destroyed.
        new_version: whether a new version of an immutable resource replaces it, without interruption.
        failed: whether it never worked, has failed or was already replaced, so that nothing is lost with it.
        values: its planned attributes, or the current ones if it is destroyed; may be sensitive.
    """

    address: str
    type: str
    name: str
    action: str
    part: str
    values: Mapping[str, Any]
    old_name: str | None = None
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    new_version: bool = False
    failed: bool = False

    @property
    def kind(self) -> str:
        """The readable name of its type."""
        return resource_types.display_name(self.type)

    @property
    def loses_state(self) -> bool:
        """Whether it destroys something that an apply cannot restore."""
        return self.removes and self.type in resource_types.STATEFUL and not self.failed

    @property
    def removes(self) -> bool:
        """Whether it destroys an existing resource."""
        return self.action in ("replace", "destroy")


def read(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """The changes in a plan, without data sources and resources that exist only in Terraform's state.

    Args:
        document: output of `terraform show -json`.
    """
    resources = [resource for resource in document.get("resource_changes", ()) if _is_change(resource)]
    changes = map(change_of, replacements.merge(resources))
    return tuple(sorted(changes, key=lambda change: (change.part, change.address)))


def _is_change(resource: Mapping[str, Any]) -> bool:
    if resource.get("mode") != "managed" or resource["type"] in resource_types.STATE_ONLY:
        return False
    change = resource["change"]
    return (
        tuple(change["actions"]) in ACTIONS
        or "importing" in change
        or resource.get("previous_address") is not None
    )


def change_of(resource: Mapping[str, Any]) -> Change:
    """Convert one entry of a plan's `resource_changes` or `resource_drift`."""
    change = resource["change"]
    actions = tuple(change["actions"])
    action = "adopt" if "importing" in change else ACTIONS.get(actions, "move")
    changed = tuple(differences(change)) if actions not in (("create",), ("delete",)) else ()
    before, after = change.get("before") or {}, change.get("after") or {}
    old_name, new_name = _name(before, resource), _name(after or before, resource)
    if old_name != new_name:
        changed = tuple(diff for diff in changed if diff.path not in _NAMES or diff.forces_replacement)
    # Terraform gives no reason for a deposed object, only its key.
    reason = DEPOSED if "deposed" in resource else resource.get("action_reason", "")
    return Change(
        address=resource["address"],
        type=resource["type"],
        name=new_name,
        old_name=old_name if before and old_name != new_name else None,
        action=action,
        part=part(resource["address"]),
        reason=_explain(reason, [diff.path for diff in changed if diff.forces_replacement]),
        differences=changed,
        values=after or before,
        new_version=reason == replacements.REASON,
        failed=reason in _FAILED and (reason, resource["type"]) != (_TAINTED, "aws_sagemaker_endpoint"),
    )


def part(address: str) -> str:
    """The part of the environment that a resource belongs to."""
    match = _ENDPOINT.match(address)
    if match:
        return f"model {match['model']}"
    return next((name for prefix, name in _MODULES.items() if address.startswith(prefix)), "account")


def _name(values: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    names = (values.get(key) for key in _NAMES)
    return next((str(name) for name in names if name), resource["address"].rpartition(".")[2])


def _explain(reason: str, immutable: Sequence[str]) -> str:
    """Why a resource is replaced or destroyed; empty if Terraform gives no reason.

    Args:
        reason: Terraform's `action_reason`.
        immutable: attributes that change and cannot be updated in place.
    """
    if reason == "replace_because_cannot_update":
        return f"{', '.join(immutable) or 'an attribute'} cannot be updated in place"
    return _REASONS.get(reason, "")
