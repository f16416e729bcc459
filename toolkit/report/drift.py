"""What was changed outside of Terraform, without what is only written in another way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.report import resource_types
from toolkit.report.changes import Change, change_of

# Providers write one nothing in many ways.
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def read(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """The resources that differ from what the last apply left.

    Args:
        document: what `terraform show -json` says of a plan.
    """
    own_rights = {
        (values.get("role"), values.get("name"))
        for values in _values(document.get("prior_state", {}).get("values", {}).get("root_module", {}))
    }
    found = [
        change_of(_without_late_answers(_without_own_rights(_without_schedules(resource), own_rights)))
        for resource in document.get("resource_drift", ())
        if resource.get("mode") == "managed" and resource["type"] not in resource_types.STATE_ONLY
    ]
    return tuple(change for change in found if change.differences or change.action == "destroy")


def _values(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rights of roles that Terraform manages as resources of their own."""
    for resource in module.get("resources", ()):
        if resource["type"] == "aws_iam_role_policy":
            yield resource["values"]
    for child in module.get("child_modules", ()):
        yield from _values(child)


def _without_schedules(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """A fleet with schedules has the bounds of the one that came last: that is what they are for."""
    if (resource["type"], resource.get("name")) != ("aws_appautoscaling_target", "scheduled"):
        return resource
    change = resource["change"]
    bounds = {key: (change.get("before") or {}).get(key) for key in ("min_capacity", "max_capacity")}
    after = change.get("after")
    return {**resource, "change": {**change, "after": after and {**after, **bounds}}}


def _without_own_rights(
    resource: Mapping[str, Any], own: set[tuple[str | None, str | None]]
) -> Mapping[str, Any]:
    """A role shows its rights as attributes, too, of which its state learns only after they were made."""
    if resource["type"] != "aws_iam_role":
        return resource

    def foreign(values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if values is None:
            return None
        policies = values.get("inline_policy") or []
        left = [each for each in policies if (values.get("name"), each.get("name")) not in own]
        return {**values, "inline_policy": left}

    change = resource["change"]
    sides = {side: foreign(change.get(side)) for side in ("before", "after")}
    # What is sensitive is told by position.
    marks = {f"{side}_sensitive": _plain(change.get(f"{side}_sensitive")) for side in ("before", "after")}
    return {**resource, "change": {**change, **sides, **marks}}


def _without_late_answers(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """What nobody can set and had no value when the last apply ended, AWS has only filled in since.

    A policy's alarms, for example, are made after it. Such an attribute that has another value than before
    is told: the checksum of a function's code changes when somebody exchanges the code.
    """
    change = resource["change"]
    before, after = change.get("before"), change.get("after")
    if not before or not after:
        return resource
    late = {
        name: before.get(name)
        for name in _read_only().get(resource["type"], ())
        if before.get(name) in _NOTHING and after.get(name) not in _NOTHING
    }
    return {**resource, "change": {**change, "after": {**after, **late}}} if late else resource


@cache
def _read_only() -> dict[str, list[str]]:
    """By resource type, from the provider's schema: `python -m tests.tools.readonly_attributes` writes it."""
    table = json.loads(Path(__file__).with_name("readonly.json").read_text(encoding="utf-8"))
    return dict(table["attributes"])


def _plain(marks: Any) -> Any:
    return (
        {key: mark for key, mark in marks.items() if key != "inline_policy"}
        if isinstance(marks, dict)
        else marks
    )
