"""The account as it is now: users, roles and policies. Read from moto, which holds what Terraform made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.resource_tagging import iter_taggable_backends
from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import IAMBackend, ManagedPolicy, Role, User, iam_backends
from moto.iam.responses import IamResponse
from moto.s3.models import s3_backends
from moto.wafv2.models import wafv2_backends

from toolkit.local.apigateway.models import holder_of
from toolkit.local.iam.evaluate import PolicyKind
from toolkit.local.iam.patterns import Arn
from toolkit.local.iam.policy import Policy, parse_policy
from toolkit.local.service import DEFAULT_REGION

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


# Looks the tags of one resource up by its ARN; None if there is no such resource.
TagSource = Callable[[Arn], Mapping[str, str] | None]


class Tags:
    """Tags of the resources of one account."""

    def __init__(self, account_id: str) -> None:
        self._account = account_id
        self._sources: dict[str, TagSource] = {
            "iam": self._iam,
            "apigateway": self._apigateway,
            "wafv2": self._wafv2,
        }

    def add_source(self, service: str, source: TagSource) -> None:
        """Name who knows the tags of a service's resources, if moto does not.

        Args:
            service: as in the resources' ARNs, such as `sagemaker`.
            source: may be called in any thread.
        """
        self._sources[service] = source

    def of(self, resource: str) -> Mapping[str, str]:
        """The tags of a resource; none if it does not exist."""
        arn = Arn.parse(resource)
        if arn is None:
            return {}
        source = self._sources.get(arn.service, self._taggable)
        return source(arn) or {}

    def _taggable(self, arn: Arn) -> Mapping[str, str] | None:
        """What moto itself shows to the Resource Groups Tagging API."""
        # Log groups: policies and requests write what follows the name in several ways.
        wanted = arn.resource.removesuffix(":log-stream:").removesuffix(":*")
        for backend in iter_taggable_backends(self._account, arn.region or DEFAULT_REGION):
            if arn.service != backend.SERVICE_NAMESPACE:
                continue
            for item in backend.iter_tagged_resources():
                found = Arn.parse(item.arn)
                if found is not None and found.resource.removesuffix(":*") == wanted:
                    return item.tags
        return None

    def _iam(self, arn: Arn) -> Mapping[str, str] | None:
        iam = iam_backends[self._account][arn.partition]
        holders: list[Any] = [*iam.get_roles(), *iam.users.values(), *iam.managed_policies.values()]
        for holder in holders:
            found = Arn.parse(holder.arn)
            if found is not None and found.resource == arn.resource:
                # Roles and users have a list; policies a dictionary of the same items.
                tags = holder.tags or []
                items = tags.values() if isinstance(tags, dict) else tags
                return {tag["Key"]: tag["Value"] for tag in items}
        return None

    def _apigateway(self, arn: Arn) -> Mapping[str, str] | None:
        # A stage adds to its API's.
        api, stage, _ = arn.resource.partition("/stages/")
        holders = [
            holder_of(arn.region, path, self._account) for path in (api, arn.resource if stage else "")
        ]
        found = [holder.tags or {} for holder in holders if holder is not None]
        return {name: value for tags in found for name, value in tags.items()} if found else None

    def _wafv2(self, arn: Arn) -> Mapping[str, str] | None:
        tags: dict[str, str] = wafv2_backends[self._account][
            arn.region
        ].tagging_service.get_tag_dict_for_resource(str(arn))
        return tags


def keep_user_boundaries() -> None:
    """Teach moto users' boundaries; doing it again changes nothing."""
    responses: Any = IamResponse
    if hasattr(responses, "put_user_permissions_boundary"):
        return
    user: Any = User
    user.permissions_boundary_arn = None
    user.permissions_boundary = property(_boundary)
    responses.create_user = _creating(responses.create_user)
    responses.put_user_permissions_boundary = _put
    responses.delete_user_permissions_boundary = _delete


def _creating(create_user: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def create_with_boundary(response: Any) -> ActionResult:
        result = create_user(response)
        _put(response)
        return result

    return create_with_boundary


def _boundary(user: Any) -> dict[str, str] | None:
    """As GetUser shows it."""
    if not user.permissions_boundary_arn:
        return None
    return {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": user.permissions_boundary_arn,
    }


def _put(response: Any) -> ActionResult:
    user = response.backend.get_user(response._get_param("UserName"))
    user.permissions_boundary_arn = response._get_param("PermissionsBoundary")
    return EmptyResult()


def _delete(response: Any) -> ActionResult:
    response.backend.get_user(response._get_param("UserName")).permissions_boundary_arn = None
    return EmptyResult()
