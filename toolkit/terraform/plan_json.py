"""The type of a plan in Terraform's JSON format, the output of `terraform show -json`.

Only members that the toolkit or checkov uses are declared. A plan from a file may be edited or truncated.
https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from toolkit.documents import OPEN


class ConfiguredResource(TypedDict, total=False):
    """A resource in the configuration."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    expressions: dict[str, Any]


class ModuleCall(TypedDict, total=False):
    """A call of a module, with the arguments that it passes."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    source: str
    expressions: dict[str, Any]
    module: ConfiguredModule


class ConfiguredModule(TypedDict, total=False):
    """A module in the configuration."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    resources: list[ConfiguredResource]
    module_calls: dict[str, ModuleCall]


class Configuration(TypedDict, total=False):
    """The configuration."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    root_module: ConfiguredModule


class Resource(TypedDict):
    """A resource with its values."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    address: str
    mode: str
    type: str
    name: str
    values: NotRequired[dict[str, Any]]


class Module(TypedDict, total=False):
    """A module with its values."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    resources: list[Resource]
    child_modules: list[Module]


class Values(TypedDict, total=False):
    """Values of all resources, planned or in a state."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    root_module: Module


class PriorState(TypedDict, total=False):
    """The state that the plan starts from."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    values: Values


class Change(TypedDict):
    """A change of a resource."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    actions: list[str]
    before: NotRequired[dict[str, Any] | None]
    after: NotRequired[dict[str, Any] | None]
    replace_paths: NotRequired[list[list[str | int]] | None]


class ResourceChange(TypedDict):
    """A resource and its change."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    address: str
    mode: str
    type: str
    change: Change
    previous_address: NotRequired[str]
    module_address: NotRequired[str]
    action_reason: NotRequired[str]


class OutputChange(TypedDict):
    """A change of an output."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    actions: list[str]


class PlanDocument(TypedDict):
    """A plan. Among Terraform's JSON formats, only plans have both required members."""

    __pydantic_config__ = OPEN  # type: ignore[misc]

    terraform_version: str
    planned_values: Values
    configuration: NotRequired[Configuration]
    prior_state: NotRequired[PriorState]
    resource_changes: NotRequired[list[ResourceChange]]
    resource_drift: NotRequired[list[ResourceChange]]
    output_changes: NotRequired[dict[str, OutputChange]]
