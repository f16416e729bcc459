"""Policy documents, parsed once and cached."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Any

from toolkit.local.iam.conditions import Condition, parse_conditions
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.patterns import Context, Template, parse
from toolkit.local.iam.principals import Principal, PrincipalKind

VERSIONS = ("2008-10-17", "2012-10-17")
_NEGATABLE = ("Action", "Resource", "Principal")
_STATEMENT_ELEMENTS = {"Sid", "Effect", "Condition", *_NEGATABLE, *(f"Not{name}" for name in _NEGATABLE)}
_ACTION = re.compile(r"\*|[\w-]+:[\w*?]+", re.ASCII)


class Effect(Enum):
    """The effect of a statement."""

    ALLOW = "Allow"
    DENY = "Deny"


class Reach(IntEnum):
    """How directly a statement of a resource policy names the caller."""

    NONE = 0
    # The account: its identity policies must allow the request, too.
    ACCOUNT = 1
    # The role, or everybody: boundary and session policy still limit a role session.
    ROLE = 2
    # The user, the session, a service or a token: no other policy must allow the request.
    DIRECT = 3


@dataclass(frozen=True)
class Names:
    """A list of patterns, possibly negated (`NotAction`, `NotResource`)."""

    templates: tuple[Template, ...]
    negated: bool


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Attributes:
        index: in the policy, from 0.
        resources: None in a trust policy.
        principals: kind (`AWS`, `Service`, …) → identifiers; None in an identity policy.
        not_principals: whether `principals` are excluded.
    """

    sid: str
    index: int
    effect: Effect
    actions: Names
    resources: Names | None
    principals: Mapping[str, tuple[str, ...]] | None
    not_principals: bool
    conditions: tuple[Condition, ...]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether action, resource and conditions match.

        Raises:
            PolicyError: a condition cannot be evaluated.
        """
        return (
            self._covers(self.actions, action, context)
            and (self.resources is None or self._covers_arn(self.resources, resource, context))
            and all(condition.holds(context) for condition in self.conditions)
        )

    @staticmethod
    def _covers(names: Names, action: str, context: Context) -> bool:
        hit = any(template.matches(action, context, ignore_case=True) for template in names.templates)
        return hit != names.negated

    @staticmethod
    def _covers_arn(names: Names, resource: str, context: Context) -> bool:
        return any(template.matches_arn(resource, context) for template in names.templates) != names.negated

    def reach(self, principal: Principal) -> Reach:
        """How this statement of a resource policy names the caller."""
        reach = max((_reach(kind, name, principal) for kind, name in self._named()), default=Reach.NONE)
        if not self.not_principals:
            return reach
        return Reach.NONE if reach else Reach.ROLE

    def _named(self) -> list[tuple[str, str]]:
        return [(kind, name) for kind, names in (self.principals or {}).items() for name in names]


def _reach(kind: str, name: str, principal: Principal) -> Reach:
    if name == "*" and kind in ("*", "AWS"):
        # Everybody, including services and anonymous callers, but not tokens: the provider must be named.
        return Reach.NONE if principal.kind is PrincipalKind.FEDERATED else Reach.ROLE
    if kind == "AWS":
        return _reach_in_account(name, principal)
    same = kind in _NAMED_KINDS and (principal.kind, principal.arn) == (_NAMED_KINDS[kind], name)
    return Reach.DIRECT if same else Reach.NONE


def _reach_in_account(name: str, principal: Principal) -> Reach:
    if principal.account and name in (principal.account, f"arn:aws:iam::{principal.account}:root"):
        return Reach.ACCOUNT
    if principal.role_arn and name == principal.role_arn:
        return Reach.ROLE
    is_named = principal.kind in (PrincipalKind.USER, PrincipalKind.SESSION) and name == principal.arn
    return Reach.DIRECT if is_named else Reach.NONE


_NAMED_KINDS = {"Service": PrincipalKind.SERVICE, "Federated": PrincipalKind.FEDERATED}


@dataclass(frozen=True)
class Policy:
    """A policy document.

    Attributes:
        name: ARN of a managed policy, or `<owner>/<name>`.
    """

    name: str
    statements: tuple[Statement, ...]


@lru_cache(maxsize=1024)
def parse_policy(document: str, name: str) -> Policy:
    """Parse a policy.

    Args:
        document: JSON.
        name: for decisions and errors.

    Raises:
        PolicyError: it is invalid, or uses an unsupported feature.
    """
    try:
        content = json.loads(document)
        if not isinstance(content, dict):
            raise PolicyError("it is not a JSON object")  # noqa: TRY301
        version = content.get("Version", VERSIONS[0])
        if version not in VERSIONS:
            raise PolicyError(f"unknown version {version!r}")  # noqa: TRY301
        statements = content.get("Statement", [])
        if isinstance(statements, dict):
            statements = [statements]
        variables = version == VERSIONS[1]
        parsed = tuple(_statement(item, index, variables) for index, item in enumerate(statements))
    except (PolicyError, ValueError) as error:
        raise PolicyError(f"policy {name}: {error}") from error
    return Policy(name, parsed)


def _statement(item: Any, index: int, variables: bool) -> Statement:
    if not isinstance(item, dict):
        raise PolicyError(f"statement {index} is not an object")
    location = f"statement {item.get('Sid') or index}"
    unknown = set(item) - _STATEMENT_ELEMENTS
    if unknown:
        raise PolicyError(f"{location}: unknown element {', '.join(sorted(unknown))}")
    if item.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{location}: Effect must be Allow or Deny")
    try:
        actions = _names(item, "Action", variables=False)
        if actions is None:
            raise PolicyError("Action or NotAction is missing")  # noqa: TRY301
        for template in actions.templates:
            if not _ACTION.fullmatch(template.text):
                raise PolicyError(f"{template.text!r} is not an action")  # noqa: TRY301
        principals, not_principals = _principals(item)
        return Statement(
            sid=str(item.get("Sid", "")),
            index=index,
            effect=Effect(item["Effect"]),
            actions=actions,
            resources=_names(item, "Resource", variables=variables),
            principals=principals,
            not_principals=not_principals,
            conditions=parse_conditions(item.get("Condition", {}), variables=variables),
        )
    except PolicyError as error:
        raise PolicyError(f"{location}: {error}") from error


def _names(item: Mapping[str, Any], element: str, *, variables: bool) -> Names | None:
    positive, negative = item.get(element), item.get(f"Not{element}")
    if positive is not None and negative is not None:
        raise PolicyError(f"both {element} and Not{element}")
    value = positive if positive is not None else negative
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyError(f"{element} must be a string or a list of strings")
    return Names(tuple(parse(text, variables=variables) for text in texts), negative is not None)


def _principals(item: Mapping[str, Any]) -> tuple[Mapping[str, tuple[str, ...]] | None, bool]:
    negated = "NotPrincipal" in item
    principals = item.get("NotPrincipal" if negated else "Principal")
    if principals is None:
        return None, False
    if principals == "*":
        return {"*": ("*",)}, negated
    if not isinstance(principals, dict):
        raise PolicyError('Principal must be "*" or an object')
    return {
        kind: tuple([names] if isinstance(names, str) else names) for kind, names in principals.items()
    }, negated
