"""The decisions of a cloud that enforces IAM policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.access import Cloud, call
from tests.support.proof import Decision

_FIELDS = ("principal", "operation", "action", "resource", "allowed", "context")


def decided(
    cloud: Cloud, named: Callable[[Mapping[str, Any]], tuple[str, str]], after: int = 0
) -> tuple[list[Decision], int]:
    """Return recorded decisions, and the number of the last one.

    Args:
        cloud: the cloud.
        named: holder and command to record with the decisions.
        after: number of the last decision already read.
    """
    decisions = call(cloud, f"/_toolkit/iam/decisions?after={after}")["decisions"]
    last = max([after, *(decision["number"] for decision in decisions)])
    return [
        Decision(*named(decision), **{name: decision[name] for name in _FIELDS}) for decision in decisions
    ], last
