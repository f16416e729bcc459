"""IAM policies in Terraform: inline in a role, as a resource or as a data source."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from _rule import Conf, blocks, unknown, value, values

POLICIES = ("aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy")
ROLE = "aws_iam_role"
DATA = "aws_iam_policy_document"


@dataclass(frozen=True)
class Statement:
    """An Allow statement of an identity-based policy.

    Attributes:
        label: its Sid, or its number.
        actions, not_actions: patterns in lower case.
        resources: ARN patterns; "*" for a NotResource.
        conditions: values by (operator, key), both in lower case.
    """

    label: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: dict[tuple[str, str], tuple[str, ...]]

    def allows(self, action: str) -> bool:
        """Whether it allows an action on any resource."""
        if self.not_actions:
            return not _matches(self.not_actions, action)
        return _matches(self.actions, action)

    def condition_keys(self) -> set[str]:
        """Condition keys with a positive condition, which a request has to match."""
        return {key for operator, key in self.conditions if "not" not in operator and "null" not in operator}


def statements(conf: Conf, entity_type: str) -> list[Statement] | None:
    """The Allow statements of a resource or data source; None if they are known only after the apply."""
    if entity_type == DATA:
        return list(_from_data_source(conf))
    if entity_type == ROLE:
        documents = [_document(value(block, "policy")) for block in blocks(conf, "inline_policy")]
    else:
        documents = [_document(value(conf, "policy"))]
    if any(document is None for document in documents):
        return None
    return [statement for document in documents for statement in _from_document(document or {})]


def _document(policy: Any) -> dict[str, Any] | None:
    if isinstance(policy, dict):
        return policy
    if policy is None or unknown(policy):
        return None
    try:
        document = json.loads(policy)
    except (TypeError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _from_document(document: dict[str, Any]) -> Iterator[Statement]:
    for index, raw in enumerate(_as_list(document.get("Statement"))):
        if raw.get("Effect") != "Allow":
            continue
        yield Statement(
            label=str(raw.get("Sid") or f"statement {index + 1}"),
            actions=_lower(raw.get("Action")),
            not_actions=_lower(raw.get("NotAction")),
            resources=("*",) if "NotResource" in raw else tuple(map(str, _as_list(raw.get("Resource")))),
            conditions={
                (operator.lower(), key.lower()): tuple(map(str, _as_list(expected)))
                for operator, keys in (raw.get("Condition") or {}).items()
                for key, expected in keys.items()
            },
        )


def _from_data_source(conf: Conf) -> Iterator[Statement]:
    for index, raw in enumerate(blocks(conf, "statement")):
        # With principals it is a trust or resource policy, which applies to its own resource.
        if str(value(raw, "effect") or "Allow") != "Allow" or blocks(raw, "principals"):
            continue
        yield Statement(
            label=str(value(raw, "sid") or f"statement {index + 1}"),
            actions=_lower(values(raw, "actions")),
            not_actions=_lower(values(raw, "not_actions")),
            resources=("*",) if values(raw, "not_resources") else tuple(map(str, values(raw, "resources"))),
            conditions={
                (
                    str(value(condition, "test")).lower(),
                    str(value(condition, "variable")).lower(),
                ): tuple(map(str, values(condition, "values")))
                for condition in blocks(raw, "condition")
            },
        )


def _as_list(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [] if item is None else [item]


def _lower(items: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() for item in _as_list(items))


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in patterns)
