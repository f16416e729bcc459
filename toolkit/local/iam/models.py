"""The account: users, roles, policies and tags, read from moto."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.resource_tagging import iter_taggable_backends
from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import IAMBackend, ManagedPolicy, Role, User, iam_backends
from moto.iam.responses import IamResponse
from moto.s3.models import s3_backends
from moto.sts.models import AssumedRole, STSBackend
from moto.sts.responses import TokenResponse
from moto.wafv2.models import wafv2_backends

from toolkit.local.apigateway.models import holder_of
from toolkit.local.iam.evaluate import PolicyKind
from toolkit.local.iam.patterns import Arn
from toolkit.local.iam.policy import Policy, parse_policy
from toolkit.local.signature import DEFAULT_REGION

PARTITION = "aws"

# Finds the ARN of the scalable target of an Application Auto Scaling request, by region and parameters.
TargetFinder = Callable[[str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class ResourcePolicy:
    """The policy of a resource.

    Attributes:
        policy: None if it has none.
        decides: whether it must allow each request.
    """

    policy: Policy | None = None
    kind: PolicyKind = PolicyKind.RESOURCE
    decides: bool = False


class Account:
    """One AWS account. moto changes it in other threads, so copy collections before iterating.

    Attributes:
        id: twelve digits.
        tags: of all resources.
        root_secret: of the root user's access key.
        scalable_target: finds scalable targets, whose ARNs have ids that no request contains.
    """

    def __init__(self, account_id: str, root_secret: str = "") -> None:
        self.id = account_id
        self.root_secret = root_secret or secrets.token_urlsafe(30)
        self.tags = Tags(account_id)
        self.scalable_target: TargetFinder = lambda _, __: None

    @property
    def iam(self) -> IAMBackend:
        """moto's IAM."""
        return iam_backends[self.id][PARTITION]

    def role(self, arn: str) -> Role | None:
        """Find a role by its ARN."""
        return next((role for role in list(self.iam.get_roles()) if role.arn == arn), None)

    def path_and_name(self, kind: str, name: str) -> str:
        """The end of an IAM ARN, `path/name`; only the name if it does not exist.

        Args:
            kind: `Role`, `User`, `Group` or `InstanceProfile`.
        """
        holders: dict[str, Callable[[], Iterable[Any]]] = {
            "Role": self.iam.get_roles,
            "User": self.iam.users.values,
            "Group": self.iam.groups.values,
            "InstanceProfile": self.iam.instance_profiles.values,
        }
        holder = next((item for item in list(holders[kind]()) if item.name == name), None)
        return f"{holder.path}{name}".lstrip("/") if holder is not None else name

    def identity_policies(self, owner: User | Role) -> Iterator[Policy]:
        """All identity-based policies of a user or role.

        Raises:
            PolicyError: a policy cannot be parsed.
        """
        yield from _policies_of(owner)
        if isinstance(owner, User):
            for group in self.iam.get_groups_for_user(owner.name):
                yield from _policies_of(group)

    def boundary_arn(self, owner_arn: str) -> str | None:
        """The permissions boundary of a user or role."""
        owners: list[User | Role] = [*self.iam.get_roles(), *self.iam.users.values()]
        owner = next((owner for owner in owners if owner.arn == owner_arn), None)
        return getattr(owner, "permissions_boundary_arn", None) or None

    def managed_policy(self, arn: str) -> Policy:
        """The default version of a managed policy; an empty policy if it does not exist.

        Raises:
            PolicyError: it cannot be parsed.
        """
        policy = self.iam.managed_policies.get(arn)
        return _managed(policy) if policy is not None else Policy(arn, ())

    def resource_policy(self, resource: str, action: str) -> ResourcePolicy:
        """The policy of the resource of an action.

        Raises:
            PolicyError: it cannot be parsed.
        """
        arn = Arn.parse(resource)
        if arn is None:
            return ResourcePolicy()
        if action.startswith("sts:AssumeRole"):
            role = self.role(resource)
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
        # Slow to import.
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


# Finds the tags of a resource by its ARN; None if it does not exist.
TagSource = Callable[[Arn], Mapping[str, str] | None]


class Tags:
    """The tags of all resources of one account."""

    def __init__(self, account_id: str) -> None:
        self._account = account_id
        self._sources: dict[str, TagSource] = {
            "iam": self._iam,
            "apigateway": self._apigateway,
            "wafv2": self._wafv2,
        }

    def add_source(self, service: str, source: TagSource) -> None:
        """Register the source of a service's tags, if that is not moto.

        Args:
            service: as in ARNs, such as `sagemaker`.
            source: thread-safe.
        """
        self._sources[service] = source

    def of(self, resource: str) -> Mapping[str, str]:
        """The tags of a resource; empty if it does not exist."""
        arn = Arn.parse(resource)
        if arn is None:
            return {}
        source = self._sources.get(arn.service, self._taggable)
        return source(arn) or {}

    def _taggable(self, arn: Arn) -> Mapping[str, str] | None:
        """Tags from moto's Resource Groups Tagging API."""
        # Policies and requests write the end of a log group's ARN in several ways.
        log_group = arn.resource.removesuffix(":log-stream:").removesuffix(":*")
        for backend in iter_taggable_backends(self._account, arn.region or DEFAULT_REGION):
            if arn.service != backend.SERVICE_NAMESPACE:
                continue
            for item in backend.iter_tagged_resources():
                tagged = Arn.parse(item.arn)
                if tagged is not None and tagged.resource.removesuffix(":*") == log_group:
                    return item.tags
        return None

    def _iam(self, arn: Arn) -> Mapping[str, str] | None:
        iam = iam_backends[self._account][arn.partition]
        holders: list[Any] = [*iam.get_roles(), *iam.users.values(), *iam.managed_policies.values()]
        for holder in holders:
            holder_arn = Arn.parse(holder.arn)
            if holder_arn is not None and holder_arn.resource == arn.resource:
                # A list for roles and users, a dictionary of the same items for policies.
                tags = holder.tags or []
                items = tags.values() if isinstance(tags, dict) else tags
                return {tag["Key"]: tag["Value"] for tag in items}
        return None

    def _apigateway(self, arn: Arn) -> Mapping[str, str] | None:
        # A stage inherits the tags of its API.
        api, stage, _ = arn.resource.partition("/stages/")
        holders = [
            holder_of(arn.region, path, self._account) for path in (api, arn.resource if stage else "")
        ]
        all_tags = [holder.tags or {} for holder in holders if holder is not None]
        return {name: value for tags in all_tags for name, value in tags.items()} if all_tags else None

    def _wafv2(self, arn: Arn) -> Mapping[str, str] | None:
        tags: dict[str, str] = wafv2_backends[self._account][
            arn.region
        ].tagging_service.get_tag_dict_for_resource(str(arn))
        return tags


def keep_user_boundaries() -> None:
    """Make moto keep the permissions boundaries of users, which it drops. Idempotent."""
    responses: Any = IamResponse
    if hasattr(responses, "put_user_permissions_boundary"):
        return
    user: Any = User
    user.permissions_boundary_arn = None
    user.permissions_boundary = property(_boundary)
    responses.create_user = _creating(responses.create_user)
    responses.put_user_permissions_boundary = _put
    responses.delete_user_permissions_boundary = _delete


def keep_session_policies() -> None:
    """Make moto keep the managed policies that limit a session, which it drops. Idempotent.

    Source: "Session policies" in the IAM user guide; the parameter is `PolicyArns.member.N.arn`.
    """
    session: Any = AssumedRole
    if hasattr(session, "policy_arns"):
        return
    session.policy_arns = ()
    responses: Any = TokenResponse
    assume_role = responses.assume_role

    def assume_limited(self: Any) -> Any:
        result = assume_role(self)
        arns = self._get_param("PolicyArns", [])
        result.result["Credentials"].policy_arns = tuple(item["arn"] for item in arns)
        return result

    responses.assume_role = assume_limited


def identify_root() -> None:
    """Make moto report the root user as AWS does, instead of its default user. Idempotent.

    The IDs are those of the table "Principal key values" in the IAM user guide.
    """
    backend: Any = STSBackend
    identity_of = backend.get_caller_identity

    def get_caller_identity(self: STSBackend, access_key_id: str, region: str) -> tuple[str, str, str]:
        user_id, arn, account = identity_of(self, access_key_id, region)
        # Requests are authenticated by now, and only the root user is unknown to moto.
        is_root = arn.endswith(":user/moto")
        return (
            (account, f"arn:{PARTITION}:iam::{account}:root", account) if is_root else (user_id, arn, account)
        )

    backend.get_caller_identity = get_caller_identity


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
