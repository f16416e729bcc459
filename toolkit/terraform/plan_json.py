"""The type of a plan in Terraform's JSON format, the output of `terraform show -json`.

Only members that the toolkit or checkov uses are declared. A plan from a file may be edited or truncated.
https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

from typing import Any, NotRequired

from toolkit.documents import OpenDict


class ConfiguredResource(OpenDict, total=False):
    """A resource in the configuration."""

    expressions: dict[str, Any]


class ModuleCall(OpenDict, total=False):
    """A call of a module, with the arguments that it passes."""

    source: str
    expressions: dict[str, Any]
    module: ConfiguredModule


class ConfiguredModule(OpenDict, total=False):
    """A module in the configuration."""

    resources: list[ConfiguredResource]
    module_calls: dict[str, ModuleCall]


class Configuration(OpenDict, total=False):
    """The configuration."""

    root_module: ConfiguredModule


class Resource(OpenDict):
    """A resource with its values."""

    address: str
    mode: str
    type: str
    name: str
    values: NotRequired[dict[str, Any]]


class Module(OpenDict, total=False):
    """A module with its values."""

    resources: list[Resource]
    child_modules: list[Module]


class Values(OpenDict, total=False):
    """Values of all resources, planned or in a state."""

    root_module: Module


class PriorState(OpenDict, total=False):
    """The state that the plan starts from."""

    values: Values


class Change(OpenDict):
    """A change of a resource."""

    actions: list[str]
    before: NotRequired[dict[str, Any] | None]
    after: NotRequired[dict[str, Any] | None]
    replace_paths: NotRequired[list[list[str | int]] | None]


class ResourceChange(OpenDict):
    """A resource and its change."""

    address: str
    mode: str
    type: str
    change: Change
    previous_address: NotRequired[str]
    module_address: NotRequired[str]
    action_reason: NotRequired[str]


class OutputChange(OpenDict):
    """A change of an output."""

    actions: list[str]


class PlanDocument(OpenDict):
    """A plan. Among Terraform's JSON formats, only plans have both required members."""

    terraform_version: str
    planned_values: Values
    configuration: NotRequired[Configuration]
    prior_state: NotRequired[PriorState]
    resource_changes: NotRequired[list[ResourceChange]]
    resource_drift: NotRequired[list[ResourceChange]]
    output_changes: NotRequired[dict[str, OutputChange]]
