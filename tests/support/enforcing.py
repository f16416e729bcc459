"""Enforcement of IAM policies in a cloud, and its decisions."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.proof import Decision

_FIELDS = ("principal", "operation", "action", "resource", "allowed", "context")


def enforce(url: str, enabled: bool) -> None:
    """Switch the enforcement of policies on or off."""
    body = json.dumps({"enforce": enabled}).encode()
    request = urllib.request.Request(f"{url}/_toolkit/iam", body, method="POST")
    urllib.request.urlopen(request).close()


def decided(
    url: str, named: Callable[[Mapping[str, Any]], tuple[str, str]], after: int = 0
) -> tuple[list[Decision], int]:
    """Return recorded decisions, and the number of the last one.

    Args:
        url: the cloud's URL.
        named: holder and command to record with the decisions.
        after: number of the last decision already read.
    """
    with urllib.request.urlopen(f"{url}/_toolkit/iam/decisions?after={after}") as response:
        decisions = json.load(response)["decisions"]
    last = max([after, *(decision["number"] for decision in decisions)])
    return [
        Decision(*named(decision), **{name: decision[name] for name in _FIELDS}) for decision in decisions
    ], last
