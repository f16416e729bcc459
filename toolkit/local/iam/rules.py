"""Rules of IAM that moto lacks, and AWS's messages where moto has others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from moto.iam.exceptions import MalformedPolicyDocument, NotFoundException
from moto.iam.models import IAMBackend, ManagedPolicy, Role

_PRINCIPAL: Final = re.compile(r"arn:aws[\w-]*:iam::(?P<account>\d{12}):(?P<kind>role|user)/(?P<name>.+)")


def extend() -> None:
    """Extend moto in this process."""
    _name_what_is_missing()
    _check_principals()


def _name_what_is_missing() -> None:
    """Word errors as on AWS (recorded in cloud-custodian/cloud-custodian, tests/data/placebo)."""
    get_role, get_policy = IAMBackend.get_role, IAMBackend.get_policy
    get_role_policy = IAMBackend.get_role_policy

    def role(self: IAMBackend, role_name: str) -> Role:
        try:
            return get_role(self, role_name)
        except NotFoundException as error:
            raise NotFoundException(f"The role with name {role_name} cannot be found.") from error

    def policy(self: IAMBackend, policy_arn: str) -> ManagedPolicy:
        try:
            return get_policy(self, policy_arn)
        except NotFoundException as error:
            raise NotFoundException(f"Policy {policy_arn} was not found.") from error

    def role_policy(self: IAMBackend, role_name: str, policy_name: str) -> tuple[str, str]:
        if policy_name not in self.get_role(role_name).policies:
            raise NotFoundException(f"The role policy with name {policy_name} cannot be found.")
        return get_role_policy(self, role_name, policy_name)

    IAMBackend.get_role_policy = role_policy  # type: ignore[method-assign]
    IAMBackend.get_role = role  # type: ignore[method-assign]
    IAMBackend.get_policy = policy  # type: ignore[method-assign]


def _check_principals() -> None:
    """Refuse trust policies that name a role or user that does not exist."""
    create_role, update_policy = IAMBackend.create_role, IAMBackend.update_assume_role_policy

    def create(
        self: IAMBackend, role_name: str, assume_role_policy_document: str, *rest: Any, **named: Any
    ) -> Role:
        _require_principals(self, assume_role_policy_document)
        return create_role(self, role_name, assume_role_policy_document, *rest, **named)

    def update(self: IAMBackend, role_name: str, policy_document: str) -> None:
        _require_principals(self, policy_document)
        update_policy(self, role_name, policy_document)

    IAMBackend.create_role = create  # type: ignore[method-assign]
    IAMBackend.update_assume_role_policy = update  # type: ignore[method-assign]


def _require_principals(backend: IAMBackend, document: str) -> None:
    for arn in _principals(document):
        match = _PRINCIPAL.fullmatch(arn)
        if match is None or match["account"] != backend.account_id:
            continue
        owners = backend.get_roles() if match["kind"] == "role" else backend.users.values()
        if arn not in {owner.arn for owner in owners}:
            raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{arn}"')


def _principals(document: str) -> Iterator[str]:
    try:
        statements = json.loads(document).get("Statement", [])
    except (ValueError, AttributeError):
        # moto refuses it.
        return
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal") if isinstance(statement, dict) else None
        named = principal.get("AWS", []) if isinstance(principal, dict) else []
        yield from (arn for arn in (named if isinstance(named, list) else [named]) if isinstance(arn, str))
