"""What was decided: kept for whoever proves that policies are enough, and no more than that."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.local.iam.evaluate import Used

# An apply from nothing makes about three hundred, at some two kilobytes each.
MAX_DECISIONS = 10_000


@dataclass(frozen=True)
class Decision:
    """Whether a principal may do one thing.

    Attributes:
        principal: ARN of the caller.
        action: such as `sagemaker:CreateEndpoint`; the operation's name if it is not mapped to an action.
        resource: ARN, or `*`.
        reason: why not, in AWS's words, to follow "is not authorized to perform …"; empty if allowed.
        context: the request's condition keys.
        statements: all statements that fit, the deciding ones among them.
        operation: the API's operation that needs it, such as `sagemaker:CreateEndpoint`.
    """

    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str = ""
    context: Mapping[str, list[str]] = field(default_factory=dict)
    statements: tuple[Used, ...] = ()
    operation: str = ""

    @property
    def message(self) -> str:
        """What AWS answers to a denied request."""
        # S3 puts the resource in quotation marks.
        resource = f'"{self.resource}"' if self.action.startswith("s3:") else self.resource
        denied = f"is not authorized to perform: {self.action} on resource: {resource}"
        return f"User: {self.principal} {denied} {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """As `/_toolkit/iam/decisions` answers it."""
        statements = [
            {
                "kind": used.kind.value,
                "policy": used.policy,
                "sid": used.sid,
                "index": used.index,
                "effect": used.effect.value,
            }
            for used in self.statements
        ]
        return {
            "principal": self.principal,
            "operation": self.operation,
            "action": self.action,
            "resource": self.resource,
            "allowed": self.allowed,
            "reason": self.reason,
            "context": self.context,
            "statements": statements,
        }


class DecisionLog:
    """The latest decisions, in order. Threads may add at the same time."""

    def __init__(self, size: int = MAX_DECISIONS) -> None:
        self._items: deque[tuple[int, Decision]] = deque(maxlen=size)
        self._numbers = itertools.count(1)

    def add(self, decision: Decision) -> None:
        """Keep a decision; the oldest goes when there are too many."""
        self._items.append((next(self._numbers), decision))

    def after(self, number: int, principal: str | None = None) -> Iterable[tuple[int, Decision]]:
        """Decisions with higher numbers than `number`, oldest first; numbers start at 1.

        Args:
            principal: only those of this caller's ARN.
        """
        return [
            (at, item)
            for at, item in list(self._items)
            if at > number and principal in (None, item.principal)
        ]

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._items.clear()
