"""IAM policies as Terraform has them: in a role, on their own, or as a data source."""

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
    """One statement that allows something to whoever holds the policy.

    Attributes:
        label: its Sid, or its number.
        actions, not_actions, resources: as written; where the policy names what it does not cover,
            `resources` is "*".
        conditions: (operator, key) → values, all in lower case but the values.
    """

    label: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: dict[tuple[str, str], tuple[str, ...]]

    def allows(self, action: str) -> bool:
        """Whether it covers an action, on whatever resource."""
        if self.not_actions:
            return not _matches(self.not_actions, action)
        return _matches(self.actions, action)

    def condition_keys(self) -> set[str]:
        """The keys in use that a request must match: negations do not count."""
        return {key for operator, key in self.conditions if "not" not in operator and "null" not in operator}


def statements(conf: Conf, entity_type: str) -> list[Statement] | None:
    """What a resource or data source allows; None if it is known only after the apply."""
    if entity_type == DATA:
        return list(_of_data_source(conf))
    if entity_type == ROLE:
        documents = [_document(value(block, "policy")) for block in blocks(conf, "inline_policy")]
    else:
        documents = [_document(value(conf, "policy"))]
    if any(document is None for document in documents):
        return None
    return [statement for document in documents for statement in _of_document(document or {})]


def _document(found: Any) -> dict[str, Any] | None:
    if isinstance(found, dict):
        return found
    if found is None or unknown(found):
        return None
    try:
        document = json.loads(found)
    except (TypeError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _of_document(document: dict[str, Any]) -> Iterator[Statement]:
    for index, raw in enumerate(_listed(document.get("Statement"))):
        if raw.get("Effect") != "Allow":
            continue
        yield Statement(
            label=str(raw.get("Sid") or f"statement {index + 1}"),
            actions=_lower(raw.get("Action")),
            not_actions=_lower(raw.get("NotAction")),
            resources=("*",) if "NotResource" in raw else tuple(map(str, _listed(raw.get("Resource")))),
            conditions={
                (operator.lower(), key.lower()): tuple(map(str, _listed(expected)))
                for operator, keys in (raw.get("Condition") or {}).items()
                for key, expected in keys.items()
            },
        )


def _of_data_source(conf: Conf) -> Iterator[Statement]:
    for index, raw in enumerate(blocks(conf, "statement")):
        # With principals it is a trust or resource policy, whose resource is where it is attached.
        if str(value(raw, "effect") or "Allow") != "Allow" or blocks(raw, "principals"):
            continue
        yield Statement(
            label=str(value(raw, "sid") or f"statement {index + 1}"),
            actions=_lower(values(raw, "actions")),
            not_actions=_lower(values(raw, "not_actions")),
            resources=("*",) if values(raw, "not_resources") else tuple(map(str, values(raw, "resources"))),
            conditions={
                (str(value(each, "test")).lower(), str(value(each, "variable")).lower()): tuple(
                    map(str, values(each, "values"))
                )
                for each in blocks(raw, "condition")
            },
        )


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


def _lower(found: Any) -> tuple[str, ...]:
    return tuple(str(each).lower() for each in _listed(found))


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in patterns)
