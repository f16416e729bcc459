"""The account as it is now: users, roles and policies. Read from moto, which holds what Terraform made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import IAMBackend, ManagedPolicy, Role, User, iam_backends
from moto.s3.models import s3_backends

from toolkit.local.iam.arn import Arn
from toolkit.local.iam.evaluate import PolicyKind
from toolkit.local.iam.policy import Policy, parse_policy
from toolkit.local.iam.tags import Tags

PARTITION = "aws"

# Finds the ARN of the scalable target that a request of Application Auto Scaling is about, by region and
# parameters; None if there is none yet.
TargetFinder = Callable[[str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class ResourcePolicy:
    """The policy of a resource itself.

    Attributes:
        policy: None if it has none.
        decides: whether nothing is allowed that it does not allow.
    """

    policy: Policy | None = None
    kind: PolicyKind = PolicyKind.RESOURCE
    decides: bool = False


class Account:
    """One AWS account.

    moto changes it in threads of its own: what is walked through here is copied first.

    Attributes:
        id: its twelve digits.
        tags: of all its resources.
        scalable_target: Application Auto Scaling's, whose ARNs have ids that no request names.
    """

    def __init__(self, account_id: str) -> None:
        self.id = account_id
        self.tags = Tags(account_id)
        self.scalable_target: TargetFinder = lambda _, __: None

    @property
    def iam(self) -> IAMBackend:
        """moto's IAM."""
        return iam_backends[self.id][PARTITION]

    def role(self, arn: str) -> Role | None:
        """A role by its ARN."""
        return next((role for role in list(self.iam.get_roles()) if role.arn == arn), None)

    def path_and_name(self, kind: str, name: str) -> str:
        """The end of an IAM ARN, `path/name`; just the name of what does not exist.

        Args:
            kind: `Role`, `User`, `Group` or `InstanceProfile`.
        """
        holders: dict[str, Callable[[], Iterable[Any]]] = {
            "Role": self.iam.get_roles,
            "User": self.iam.users.values,
            "Group": self.iam.groups.values,
            "InstanceProfile": self.iam.instance_profiles.values,
        }
        found = next((item for item in list(holders[kind]()) if item.name == name), None)
        return f"{found.path}{name}".lstrip("/") if found is not None else name

    def identity_policies(self, owner: User | Role) -> Iterator[Policy]:
        """All policies that give a user or role rights.

        Raises:
            PolicyError: one cannot be evaluated.
        """
        yield from _policies_of(owner)
        if isinstance(owner, User):
            for group in self.iam.get_groups_for_user(owner.name):
                yield from _policies_of(group)

    def boundary_arn(self, owner_arn: str) -> str | None:
        """The permissions boundary of the user or role with this ARN."""
        owners: list[User | Role] = [*self.iam.get_roles(), *self.iam.users.values()]
        owner = next((owner for owner in owners if owner.arn == owner_arn), None)
        return getattr(owner, "permissions_boundary_arn", None) or None

    def managed_policy(self, arn: str) -> Policy:
        """A managed policy in its default version; one that does not exist allows nothing.

        Raises:
            PolicyError: it cannot be evaluated.
        """
        policy = self.iam.managed_policies.get(arn)
        return _managed(policy) if policy is not None else Policy(arn, ())

    def resource_policy(self, resource: str, action: str) -> ResourcePolicy:
        """The policy of the resource that an action is for.

        Raises:
            PolicyError: it cannot be evaluated.
        """
        arn = Arn.parse(resource)
        if arn is None:
            return ResourcePolicy()
        if action.startswith("sts:AssumeRole"):
            role = self.role(resource)
            # A role that does not exist trusts nobody.
            trust = parse_policy(role.assume_role_policy_document, f"trust of {resource}") if role else None
            return ResourcePolicy(trust, PolicyKind.TRUST, decides=True)
        readers = {"s3": self._bucket_policy, "lambda": self._function_policy, "kms": self._key_policy}
        document = readers[arn.service](arn) if arn.service in readers else None
        if document is None:
            return ResourcePolicy()
        name, _, _ = arn.resource.partition("/") if arn.service == "s3" else (arn.resource, "", "")
        return ResourcePolicy(parse_policy(document, f"policy of {name}"), decides=arn.service == "kms")

    def _bucket_policy(self, arn: Arn) -> str | None:
        bucket = s3_backends[self.id][PARTITION].buckets.get(arn.resource.partition("/")[0])
        return bucket.policy.decode() if bucket is not None and bucket.policy else None

    def _function_policy(self, arn: Arn) -> str | None:
        kind, _, name = arn.resource.partition(":")
        name, _, _ = name.partition(":")
        for function in lambda_backends[self.id][arn.region].list_functions() if kind == "function" else ():
            if function.function_name == name and function.policy.statements:
                return json.dumps(function.policy.get_policy()["Policy"])
        return None

    def _key_policy(self, arn: Arn) -> str | None:
        # Slow to import, and nothing else in the cloud needs it before there is a key.
        from moto.kms.models import kms_backends

        key = kms_backends[self.id][arn.region].keys.get(arn.resource.removeprefix("key/"))
        return key.policy if key is not None else None


def _policies_of(owner: Any) -> Iterator[Policy]:
    for name, document in list(owner.policies.items()):
        yield parse_policy(document, f"{owner.arn}/{name}")
    for policy in list(owner.managed_policies.values()):
        yield _managed(policy)


def _managed(policy: ManagedPolicy) -> Policy:
    version = next(version for version in policy.versions if version.version_id == policy.default_version_id)
    return parse_policy(version.document, policy.arn)
