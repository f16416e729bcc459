"""Policies that an authorizer answers with, against the ARN of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Decision = Literal["allow", "deny", "none"]


def decide(policy: Mapping[str, Any], method_arn: str) -> Decision:
    """Whether a policy document lets a request through: a denial wins, and nothing said is no.

    Raises:
        ValueError: it is not a policy document.
    """
    statements = policy.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(item, Mapping) for item in statements):
        raise ValueError("policyDocument has no Statement")
    effects = {
        str(statement.get("Effect")).lower()
        for statement in statements
        if _matches(statement.get("Action"), "execute-api:Invoke", ignore_case=True)
        and _matches(statement.get("Resource"), method_arn)
    }
    return "deny" if "deny" in effects else "allow" if "allow" in effects else "none"


def _matches(patterns: object, value: str, *, ignore_case: bool = False) -> bool:
    several: Iterable[object] = [patterns] if isinstance(patterns, str) else patterns or []  # type: ignore[assignment]
    return any(matches(str(pattern), value, ignore_case=ignore_case) for pattern in several)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether a value matches a pattern with IAM's `*` and `?`."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
