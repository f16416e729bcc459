"""Drift: what was changed outside of Terraform since the last apply, and when, as far as AWS reports it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.errors import DriftError
from toolkit.report import resource_types
from toolkit.report.changes import Change, change_of

# Providers write an empty value in many ways.
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class DriftedResource:
    """A resource that differs.

    Attributes:
        change: the difference: `old` is the last apply's, `new` is the actual value.
        modified_at: when it was last modified according to AWS, UTC; None where AWS does not report it.
    """

    change: Change
    modified_at: str | None

    @property
    def since(self) -> str:
        """When it was changed, as far as AWS reports it."""
        if self.change.action == "destroy":
            return "is gone; AWS does not report when it was deleted"
        return f"last modified {self.modified_at}" if self.modified_at else "AWS does not report when"


@dataclass(frozen=True)
class Drift:
    """An environment compared with its last apply.

    Attributes:
        environment: its name.
        applied_at: when the state was last written, UTC; no drift is older.
        release: number of the last release; None if there is none.
        resources: the resources that differ.
    """

    environment: str
    applied_at: str
    release: int | None
    resources: tuple[DriftedResource, ...]

    def raise_if_any(self) -> None:
        """Return if there is no drift.

        Raises:
            DriftError: there is.
        """
        if self.resources:
            raise DriftError(
                f"{self.environment}: {self.headline} since {self.applied_at}",
                remedy=f"`toolkit drift --env {self.environment} --plan FILE` saves the plan that reverts it",
            )

    @property
    def headline(self) -> str:
        """ "2 resources changed outside of Terraform"."""
        return f"{_count(len(self.resources))} changed outside of Terraform"

    @property
    def last_apply(self) -> str:
        """The apply that the environment is compared with."""
        release = f"release {self.release}, " if self.release else ""
        return f"{release}applied {self.applied_at}"

    def as_text(self) -> str:
        """For a terminal."""
        return "\n".join(self._lines())

    def as_markdown(self) -> str:
        """For an issue or a comment, of at most the size that GitHub accepts."""
        from toolkit.report import markdown  # a summary includes drift, so it imports this module

        first, *lines = self._lines()
        head = [f"<!-- toolkit drift: {self.environment} -->", f"### {first}", ""]
        diff = [line.removeprefix("  ") for line in lines]
        count = _count(len(self.resources))
        sections = [markdown.Section(count, diff, diff=True, is_open=True)] if diff else []
        return markdown.compose(head, sections, "", f"toolkit drift --env {self.environment}")

    def as_html(self) -> str:
        """One self-contained page."""
        from toolkit.report import html  # a summary includes drift, so it imports this module

        return html.page("drift", drift=self)

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        from toolkit.report import data  # a summary includes drift, so it imports this module

        rows = [
            {**data.change_data(resource.change), "modified_at": resource.modified_at}
            for resource in self.resources
        ]
        return {**asdict(self), "resources": rows}

    def _lines(self) -> Iterator[str]:
        last = self.last_apply
        if not self.resources:
            yield f"{self.environment}: no drift since the last apply ({last})"
            return
        yield f"{self.environment}: changed outside of Terraform since the last apply ({last})"
        for resource in self.resources:
            yield from _resource_lines(resource)


def changes(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """The resources that differ from the last apply.

    Args:
        document: the output of `terraform show -json` for a plan.
    """
    managed = {
        (values.get("role"), values.get("name"))
        for values in _role_policies(document.get("prior_state", {}).get("values", {}).get("root_module", {}))
    }
    drifted = [
        change_of(_ignore_new_computed(_ignore_managed_policies(_ignore_schedules(resource), managed)))
        for resource in document.get("resource_drift", ())
        if resource.get("mode") == "managed" and resource["type"] not in resource_types.STATE_ONLY
    ]
    return tuple(change for change in drifted if change.differences or change.action == "destroy")


def dated(access: AwsAccess, change: Change) -> DriftedResource:
    """A difference with its modification time."""
    return DriftedResource(change, _modified_at(access, change))


def utc(moment: datetime) -> str:
    """A moment in ISO 8601, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _resource_lines(resource: DriftedResource) -> Iterator[str]:
    from toolkit.report import text  # a summary includes drift, so it imports this module

    if resource.change.action == "destroy":
        yield f"  - {text.headline(resource.change)}"
    else:
        yield from text.change_lines(resource.change)
    yield f"      {resource.since}"


def _count(resources: int) -> str:
    return f"{resources} resource{'' if resources == 1 else 's'}"


def _modified_at(access: AwsAccess, change: Change) -> str | None:
    """When AWS says that a resource was last modified; AWS reports it for few types."""
    request = _MODIFIED.get(change.type)
    if request is None or change.action == "destroy":
        return None
    try:
        moment = request(access, change.values)
    except (ClientError, ValueError):
        return None  # drift is worth reporting without it: a viewer may lack the permission
    return utc(moment) if moment is not None else None


def _endpoint(access: AwsAccess, values: Mapping[str, str]) -> datetime:
    return access.sagemaker.describe_endpoint(EndpointName=values["name"])["LastModifiedTime"]


def _function(access: AwsAccess, values: Mapping[str, str]) -> datetime:
    configuration = access.lambda_.get_function_configuration(FunctionName=values["function_name"])
    return datetime.fromisoformat(configuration["LastModified"])


def _stage(access: AwsAccess, values: Mapping[str, str]) -> datetime | None:
    stage = access.apigateway.get_stage(restApiId=values["rest_api_id"], stageName=values["stage_name"])
    return stage.get("lastUpdatedDate")


_MODIFIED: dict[str, Callable[[AwsAccess, Mapping[str, str]], datetime | None]] = {
    "aws_sagemaker_endpoint": _endpoint,
    "aws_lambda_function": _function,
    "aws_api_gateway_stage": _stage,
}


def _role_policies(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The role policies that Terraform manages as resources."""
    for resource in module.get("resources", ()):
        if resource["type"] == "aws_iam_role_policy":
            yield resource["values"]
    for child in module.get("child_modules", ()):
        yield from _role_policies(child)


def _ignore_schedules(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Scheduled actions change a target's bounds on purpose."""
    if (resource["type"], resource.get("name")) != ("aws_appautoscaling_target", "scheduled"):
        return resource
    change = resource["change"]
    bounds = {key: (change.get("before") or {}).get(key) for key in ("min_capacity", "max_capacity")}
    after = change.get("after")
    return {**resource, "change": {**change, "after": after and {**after, **bounds}}}


def _ignore_managed_policies(
    resource: Mapping[str, Any], managed: set[tuple[str | None, str | None]]
) -> Mapping[str, Any]:
    """A role also lists its policies as an attribute, which its state learns only after their creation."""
    if resource["type"] != "aws_iam_role":
        return resource

    def unmanaged(values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if values is None:
            return None
        policies = values.get("inline_policy") or []
        others = [policy for policy in policies if (values.get("name"), policy.get("name")) not in managed]
        return {**values, "inline_policy": others}

    change = resource["change"]
    sides = {side: unmanaged(change.get(side)) for side in ("before", "after")}
    # Terraform marks sensitive values by position.
    marks = {f"{side}_sensitive": _without_policies(change.get(f"{side}_sensitive")) for side in sides}
    return {**resource, "change": {**change, **sides, **marks}}


def _ignore_new_computed(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Computed attributes are not drift the first time AWS sets them.

    A scaling policy's alarms, for example, are created after it. A second value is drift: the checksum of a
    function's code changes when the code is replaced.
    """
    change = resource["change"]
    before, after = change.get("before"), change.get("after")
    if not before or not after:
        return resource
    computed = {
        name: before.get(name)
        for name in _read_only().get(resource["type"], ())
        if before.get(name) in _EMPTY and after.get(name) not in _EMPTY
    }
    return {**resource, "change": {**change, "after": {**after, **computed}}} if computed else resource


@cache
def _read_only() -> dict[str, list[str]]:
    """Read-only attributes by resource type; `python -m tests.tools.provider_facts` generates them."""
    table = json.loads(Path(__file__).with_name("readonly.json").read_text(encoding="utf-8"))
    return dict(table["attributes"])


def _without_policies(marks: Any) -> Any:
    if not isinstance(marks, dict):
        return marks
    return {key: mark for key, mark in marks.items() if key != "inline_policy"}
