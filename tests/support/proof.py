"""Proof of needed permissions: recorded IAM decisions, evaluated again with parts of the policies removed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.local.iam.evaluate import Policies, Request, evaluate
from toolkit.local.iam.policy import Policy, parse_policy
from toolkit.local.iam.principals import Principal, PrincipalKind

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """One decision of `/_toolkit/iam/decisions`.

    Attributes:
        holder: the user of the command: `deployer`, `planner`, `viewer` or `operator`.
        command: the command, such as `apply`.
    """

    holder: str
    command: str
    principal: str
    operation: str
    action: str
    resource: str
    allowed: bool
    context: Mapping[str, Sequence[str]]

    @property
    def request(self) -> Request:
        """The request with its condition keys."""
        user = Principal(PrincipalKind.USER, self.principal, "123456789012")
        return Request(user, self.action, self.resource, _Keys(self.context))


class _Keys:
    def __init__(self, context: Mapping[str, Sequence[str]]) -> None:
        self._values = {name.lower(): tuple(values) for name, values in context.items()}

    def values(self, key: str) -> tuple[str, ...] | None:
        return self._values.get(key.lower())


@dataclass(frozen=True)
class Part:
    """A removable part of a policy.

    Attributes:
        policy: the policy's name.
        sid: its statement.
        what: an action or a resource of the statement; empty for all of it.
    """

    policy: str
    sid: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.policy} {self.sid} {self.what}".strip()


def allows(documents: Iterable[Document], decision: Decision) -> bool:
    """Whether these policies alone allow the request."""
    return evaluate(decision.request, Policies(identity=tuple(map(_parsed, documents)))).allowed


def decides(document: Document, decision: Decision) -> bool:
    """Whether a policy with one statement allows the request, or denies it."""
    statement = document["Statement"][0]
    if statement["Effect"] == "Allow":
        return allows([document], decision)
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return not allows([{**document, "Statement": [anything, statement]}], decision)


def smaller(policy: str, document: Document) -> Iterator[tuple[Part, Document]]:
    """Yield the policy without each statement, each action and each resource."""
    for index, statement in enumerate(document["Statement"]):
        reduced = copy.deepcopy(dict(document))
        del reduced["Statement"][index]
        yield Part(policy, statement["Sid"]), reduced
        for element in ("Action", "Resource"):
            values = as_list(statement[element])
            for value in values if len(values) > 1 else []:
                reduced = copy.deepcopy(dict(document))
                reduced["Statement"][index][element] = [item for item in values if item != value]
                yield Part(policy, statement["Sid"], value), reduced


def superfluous(
    policy: str, document: Document, others: Sequence[Document], decisions: Iterable[Decision]
) -> list[Part]:
    """Return the parts of a policy whose removal neither denies an allowed request nor allows a denied one.

    Args:
        policy: its name.
        document: its document.
        others: the holders' other policies.
        decisions: the recorded decisions.
    """
    distinct = _distinct(decisions)
    needed = [decision for decision in distinct if allows([document, *others], decision)]
    needed = [decision for decision in needed if not allows(others, decision)] if others else needed
    refused = [decision for decision in distinct if not allows([document, *others], decision)]
    return [
        part
        for part, less in smaller(policy, document)
        if all(allows([less, *others], decision) for decision in needed)
        and not any(allows([less, *others], decision) for decision in refused)
    ]


def as_list(value: Any) -> list[str]:
    """Return an element of a statement, which may be a single string, as a list."""
    return [value] if isinstance(value, str) else list(value)


def _parsed(document: Document) -> Policy:
    return parse_policy(json.dumps(document, sort_keys=True), "proof")


def _distinct(decisions: Iterable[Decision]) -> list[Decision]:
    """Return requests that differ for a policy; condition keys with the time do not count."""
    distinct: dict[str, Decision] = {}
    for decision in decisions:
        keys = {name: values for name, values in decision.context.items() if "Time" not in name}
        key = json.dumps([decision.action, decision.resource, keys], sort_keys=True)
        distinct.setdefault(key, decision)
    return list(distinct.values())
