"""Merges the deletion and the creation of a versioned resource into one replacement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.report import resource_types
from toolkit.report.differences import differences

Resource = Mapping[str, Any]
# Takes the place of Terraform's `action_reason`.
REASON = "new_version"


def merge(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield a plan's resource changes, with each deleted version and its successor as one replacement."""
    deleted = [resource for resource in resources if _is_versioned(resource, "delete")]
    predecessors = {}
    for resource in resources:
        if _is_versioned(resource, "create") and (predecessor := _predecessor(resource, deleted)) is not None:
            deleted.remove(predecessor)
            predecessors[resource["address"]] = predecessor
    replaced = {predecessor["address"] for predecessor in predecessors.values()}
    for resource in resources:
        if resource["address"] in predecessors:
            yield _replacement(predecessors[resource["address"]], resource)
        elif resource["address"] not in replaced:
            yield resource


def _is_versioned(resource: Resource, action: str) -> bool:
    return resource["type"] in resource_types.VERSIONED and resource["change"]["actions"] == [action]


def _predecessor(resource: Resource, deleted: Sequence[Resource]) -> Resource | None:
    """The deleted version of the same type and module that differs least."""
    candidates = [candidate for candidate in deleted if _identity(candidate) == _identity(resource)]
    return min(
        candidates,
        key=lambda candidate: len(differences(_replacement(candidate, resource)["change"])),
        default=None,
    )


def _identity(resource: Resource) -> tuple[str, str]:
    return resource["type"], resource.get("module_address", "")


def _replacement(predecessor: Resource, resource: Resource) -> Resource:
    before = predecessor["change"]["before"]
    change = {
        "actions": ["create", "delete"],
        "before": before,
        "before_sensitive": predecessor["change"].get("before_sensitive"),
        "after": _with_computed(resource["change"]["after"], before),
        "after_sensitive": resource["change"].get("after_sensitive"),
    }
    return {**resource, "action_reason": REASON, "change": change}


def _with_computed(new: Any, old: Any) -> Any:
    """The new value, with unset attributes, which the provider computes, taken from the old one."""
    if isinstance(new, dict) and isinstance(old, dict):
        merged = {key: _with_computed(value, old.get(key)) for key, value in new.items()}
        return merged if _is_map(new) else {**old, **merged}
    if isinstance(new, list) and isinstance(old, list) and new:
        return [
            _with_computed(value, old[index] if index < len(old) else None) for index, value in enumerate(new)
        ]
    return old if new is None else new


def _is_map(value: Mapping[str, Any]) -> bool:
    """Whether it is a map of strings set by the user; a block has attributes of other types, too."""
    return all(isinstance(item, str) for item in value.values())
