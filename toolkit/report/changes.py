"""The changes of a plan, resource by resource, in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.report import kinds, reasons, versions
from toolkit.report.values import Difference, differences

# Modules of the inference stack; all else is in the account stack.
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
# Terraform marks what it could not finish; the toolkit asks for others in place of endpoints that failed.
FAILED = ("replace_because_tainted", "replace_by_request", reasons.DEPOSED)


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    Attributes:
        address: Terraform's.
        type: Terraform's resource type.
        name: what AWS calls the resource, as far as it is known; else its name in Terraform.
        old_name: what it was called, if that changes.
        action: create, update, replace, destroy, adopt (it exists and comes under Terraform), move or forget.
        part: what it belongs to: "model NAME", "API", "observability" or "account".
        reason: why it is replaced or destroyed.
        differences: what changes in it; empty if it is created or destroyed.
        new_version: it is immutable, and another one takes its place: nothing is interrupted.
        failed: it did not come up, failed since, or has its successor already: nothing is lost with it.
        values: what it will be; of one that is destroyed, what it was. May be sensitive: not for output.
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
        """What people call such a resource."""
        return kinds.name(self.type)

    @property
    def loses_state(self) -> bool:
        """Whether something is lost that an apply does not bring back."""
        return self.removes and self.type in kinds.STATEFUL and not self.failed

    @property
    def removes(self) -> bool:
        """Whether something that is there is destroyed."""
        return self.action in ("replace", "destroy")


def read(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """The changes in what `terraform show -json` says of a plan; bookkeeping and reads are left out."""
    shown = [resource for resource in document.get("resource_changes", ()) if _is_shown(resource)]
    found = map(change_of, versions.joined(shown))
    return tuple(sorted(found, key=lambda change: (change.part, change.address)))


def _is_shown(resource: Mapping[str, Any]) -> bool:
    if resource.get("mode") != "managed" or resource["type"] in kinds.BOOKKEEPING:
        return False
    change = resource["change"]
    return (
        tuple(change["actions"]) in ACTIONS
        or "importing" in change
        or resource.get("previous_address") is not None
    )


def change_of(resource: Mapping[str, Any]) -> Change:
    """One of a plan's `resource_changes`, or of its `resource_drift`."""
    change = resource["change"]
    actions = tuple(change["actions"])
    action = "adopt" if "importing" in change else ACTIONS.get(actions, "move")
    found = tuple(differences(change)) if actions not in (("create",), ("delete",)) else ()
    before, after = change.get("before") or {}, change.get("after") or {}
    old, new = _name(before, resource), _name(after or before, resource)
    if old != new:
        found = tuple(each for each in found if each.path not in _NAMES or each.forces_replacement)
    forced = [each.path for each in found if each.forces_replacement]
    # Terraform gives no reason for what is left of a replacement, only a key by which it keeps it.
    reason = reasons.DEPOSED if "deposed" in resource else resource.get("action_reason", "")
    return Change(
        address=resource["address"],
        type=resource["type"],
        name=new,
        old_name=old if before and old != new else None,
        action=action,
        part=part(resource["address"]),
        reason=reasons.sentence(reason, forced),
        differences=found,
        values=after or before,
        new_version=reason == versions.REASON,
        failed=reason in FAILED,
    )


def part(address: str) -> str:
    """What a resource belongs to."""
    match = _ENDPOINT.match(address)
    if match:
        return f"model {match['model']}"
    return next((name for prefix, name in _MODULES.items() if address.startswith(prefix)), "account")


def _name(values: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    named = (values.get(key) for key in _NAMES)
    return next((str(each) for each in named if each), resource["address"].rpartition(".")[2])
