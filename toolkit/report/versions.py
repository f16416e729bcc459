"""New versions: an immutable resource that goes while another of its kind comes is one change, not two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.report import kinds
from toolkit.report.values import differences

Resource = Mapping[str, Any]
# What stands in place of Terraform's `action_reason` then.
REASON = "new_version"


def joined(resources: Sequence[Resource]) -> Iterator[Resource]:
    """The same changes of a plan, with a version that goes and the one that takes its place as one."""
    going = [each for each in resources if _is(each, "delete")]
    pairs = {}
    for resource in resources:
        if _is(resource, "create") and (former := _former(resource, going)) is not None:
            going.remove(former)
            pairs[resource["address"]] = former
    gone = {former["address"] for former in pairs.values()}
    for resource in resources:
        if resource["address"] in pairs:
            yield _joined(pairs[resource["address"]], resource)
        elif resource["address"] not in gone:
            yield resource


def _is(resource: Resource, action: str) -> bool:
    return resource["type"] in kinds.VERSIONED and resource["change"]["actions"] == [action]


def _former(resource: Resource, going: Sequence[Resource]) -> Resource | None:
    """The version that `resource` comes after: the one that differs least."""
    same = [each for each in going if _place(each) == _place(resource)]
    return min(same, key=lambda former: len(differences(_joined(former, resource)["change"])), default=None)


def _place(resource: Resource) -> tuple[str, str]:
    return resource["type"], resource.get("module_address", "")


def _joined(former: Resource, resource: Resource) -> Resource:
    before = former["change"]["before"]
    change = {
        "actions": ["create", "delete"],
        "before": before,
        "before_sensitive": former["change"].get("before_sensitive"),
        "after": _filled(resource["change"]["after"], before),
        "after_sensitive": resource["change"].get("after_sensitive"),
    }
    return {**resource, "action_reason": REASON, "change": change}


def _filled(new: Any, old: Any) -> Any:
    """The new value; what is not set there, and so chosen by the provider, is as in the old one."""
    if isinstance(new, dict) and isinstance(old, dict):
        known = {key: _filled(value, old.get(key)) for key, value in new.items()}
        return known if _is_map(new) else {**old, **known}
    if isinstance(new, list) and isinstance(old, list) and new:
        return [_filled(value, old[index] if index < len(old) else None) for index, value in enumerate(new)]
    return old if new is None else new


def _is_map(value: Mapping[str, Any]) -> bool:
    """Whether it is a map of the user's and no block, which has attributes of other types, too."""
    return all(isinstance(each, str) for each in value.values())
