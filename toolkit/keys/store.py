"""API keys in API Gateway.

A key's name in API Gateway is `<prefix>/<name>`; users see `<name>`. No environment's name contains a slash,
so `llm-dev` never mistakes a key of `llm-dev-b` for its own. During a rotation two keys have one name: the
new one has a tag with the ID of the old one.

A key's value is `sk-<name>-<40 letters and digits>`. The authorizer passes the name to the gateway, which
therefore knows what the key may use. A client cannot claim another's name: API Gateway only accepts complete
values.

A key named `jwt/<usage plan>` stands for all callers with a JWT in that plan. Its value is not secret: the
authorizer names it after it has verified a token, and refuses clients that send it.
"""

from __future__ import annotations

import builtins
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from toolkit.aws.access import AwsAccess
from toolkit.environment import Environment
from toolkit.errors import InputError

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import ApiKeyTypeDef

DEFAULT_KEY: Final = "default"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_JWT: Final = "jwt/"
_REPLACES: Final = "replaces"
# The description, which the console shows too.
_DECLARED: Final = "Declared in the environment file"
_BY_HAND: Final = "Created with toolkit keys create"
_ALPHABET: Final = string.ascii_letters + string.digits
# 238 bits.
_LENGTH: Final = 40


@dataclass(frozen=True)
class ApiKey:
    """A key without its value.

    Attributes:
        name: its name for users.
        key_id: API Gateway's identifier; safe to log.
        enabled: whether the API accepts it.
        usage_plan: its usage plan; None if it has none, so that the API rejects it.
        declared: whether the environment file contains it.
        old: whether a rotation has replaced it.
    """

    name: str
    key_id: str
    enabled: bool
    usage_plan: str | None
    declared: bool
    old: bool = False


@dataclass(frozen=True)
class CurrentKey:
    """The current value of a key.

    Attributes:
        value: the secret.
        enabled: whether the API accepts it.
        changed_at: when it was created or last changed.
    """

    value: str = field(repr=False)
    enabled: bool
    changed_at: datetime


@dataclass(frozen=True)
class Keys:
    """The keys of one environment.

    Attributes:
        access: the account.
        prefix: the environment's prefix, `<name>-<env>`.
        usage_plan_ids: the API's usage plans, by name.
        tags: tags of new keys.
        declared: the usage plan of each key in the environment file; others are in the plan `default`.
        jwt_keys: values of the keys that stand for callers with a JWT, by usage plan.
    """

    access: AwsAccess
    prefix: str
    usage_plan_ids: Mapping[str, str]
    tags: Mapping[str, str]
    declared: Mapping[str, str]
    jwt_keys: Mapping[str, str] = field(default_factory=dict)

    def list(self) -> builtins.list[ApiKey]:
        """All keys, by name; a replaced key comes after its successor."""
        plans = self._plans()
        items = self._items()
        replaced = {item.get("tags", {}).get(_REPLACES) for item in items}
        keys = [
            ApiKey(
                name=item["name"].removeprefix(f"{self.prefix}/"),
                key_id=item["id"],
                enabled=item["enabled"],
                usage_plan=plans.get(item["id"]),
                declared=item.get("description") == _DECLARED,
                old=item["id"] in replaced,
            )
            for item in items
        ]
        return sorted(keys, key=lambda key: (key.name, key.old, key.key_id))

    def find(self, name: str) -> ApiKey:
        """The key named `name`; during a rotation, the new one.

        Raises:
            InputError: there is no key of that name.
        """
        keys = self.list()
        for key in keys:
            if key.name == name:
                return key
        names = ", ".join(dict.fromkeys(key.name for key in keys)) or "none"
        raise InputError(f"no key named {name}", remedy=f"keys of this environment: {names}")

    def value(self, key: ApiKey) -> str:
        """The value of one key."""
        return self.access.apigateway.get_api_key(apiKey=key.key_id, includeValue=True)["value"]

    def show(self, name: str) -> str:
        """The value of the key named `name`; during a rotation, the new one.

        Raises:
            InputError: there is no key of that name.
        """
        own = self.declared.get(name, "default")
        key_id = self._find_in_plan(name, own) or self.find(name).key_id
        require_secret(name)
        return self.access.apigateway.get_api_key(apiKey=key_id, includeValue=True)["value"]

    def current(self, name: str) -> CurrentKey | None:
        """The value of the key named `name`, without reading other keys; None if no usage plan has it."""
        own = self.declared.get(name, "default")
        # A change of the file that is not applied yet does not move the key.
        plans = sorted(self.usage_plan_ids, key=lambda plan: plan != own)
        key_id = next(filter(None, (self._find_in_plan(name, plan) for plan in plans)), None)
        if key_id is None:
            return None
        key = self.access.apigateway.get_api_key(apiKey=key_id, includeValue=True)
        changed_at = key.get("lastUpdatedDate") or key["createdDate"]
        return CurrentKey(key["value"], key["enabled"], changed_at)

    def create(self, name: str) -> ApiKey:
        """Create a key in its usage plan from the environment file, or in `default`.

        Raises:
            InputError: the name is taken or invalid, or this API has no keys.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"invalid key name {name!r}",
                remedy="use up to 40 lower-case letters, digits and hyphens",
            )
        if any(key.name == name for key in self.list()):
            raise InputError(
                f"a key named {name} already exists",
                remedy="give it a new value with `toolkit keys rotate`, revoke it, or choose another name",
            )
        return self.add(name)

    def add(self, name: str, *, replaces: ApiKey | None = None) -> ApiKey:
        """Create a key, even if its name is taken.

        Args:
            name: its name.
            replaces: the key that it replaces.

        Raises:
            InputError: this API has no keys.
        """
        plan = self.plan_of(name)
        declared = name in self.declared
        replacing = {_REPLACES: replaces.key_id} if replaces else {}
        created = self.access.apigateway.create_api_key(
            name=f"{self.prefix}/{name}",
            description=_DECLARED if declared else _BY_HAND,
            enabled=True,
            value=self.jwt_keys[plan] if is_for_jwts(name) else new_value(name),
            # IAM policies match this tag: ARNs of keys contain no names.
            tags={**self.tags, "deployment": self.prefix, **replacing},
        )
        self._attach(created["id"], plan)
        return ApiKey(name, created["id"], enabled=True, usage_plan=plan, declared=declared)

    def plan_of(self, name: str) -> str:
        """The usage plan that a key belongs to.

        Raises:
            InputError: it does not exist.
        """
        plan = self.declared.get(name, "default")
        if plan not in self.usage_plan_ids:
            message = f"no usage plan named {plan}" if self.usage_plan_ids else "this API has no keys"
            raise InputError(
                message, remedy="set `api.auth: keys` in the environment file, and run `toolkit apply`"
            )
        return plan

    def move(self, key: ApiKey) -> None:
        """Move a key to the usage plan that it belongs to."""
        plan = self.plan_of(key.name)
        if key.usage_plan is not None:
            # API Gateway allows one plan per key and stage, so for a moment the key has none.
            self.access.apigateway.delete_usage_plan_key(
                usagePlanId=self.usage_plan_ids[key.usage_plan], keyId=key.key_id
            )
        self._attach(key.key_id, plan)

    def mark_declared(self, key: ApiKey) -> None:
        """Record in a key's description whether the environment file contains it."""
        self.access.apigateway.update_api_key(
            apiKey=key.key_id,
            patchOperations=[
                {
                    "op": "replace",
                    "path": "/description",
                    "value": _DECLARED if key.name in self.declared else _BY_HAND,
                }
            ],
        )

    def delete(self, *keys: ApiKey) -> None:
        """Delete keys; requests with them fail from then on."""
        for key in keys:
            self.access.apigateway.delete_api_key(apiKey=key.key_id)

    def revoke_jwt_keys(self) -> None:
        """Delete the keys that stand for callers with a JWT."""
        self.delete(*(key for key in self.list() if is_for_jwts(key.name)))

    def to_revoke(self, name: str, *, old: bool = False) -> builtins.list[ApiKey]:
        """The key named `name` and the one it replaced, or only that one.

        Raises:
            InputError: there is none, or it is not for clients.
        """
        self.find(name)
        require_secret(name)
        keys = [key for key in self.list() if key.name == name and (key.old or not old)]
        if not keys:
            raise InputError(f"{name} has only one value", remedy="to revoke the key itself, omit --old")
        return keys

    def revoke_all(self) -> int:
        """Delete every key of the environment; returns how many there were."""
        items = self._items()
        for item in items:
            self.access.apigateway.delete_api_key(apiKey=item["id"])
        return len(items)

    def _attach(self, key_id: str, plan: str) -> None:
        self.access.apigateway.create_usage_plan_key(
            usagePlanId=self.usage_plan_ids[plan], keyId=key_id, keyType="API_KEY"
        )

    def _find_in_plan(self, name: str, plan: str) -> str | None:
        # Permission to list the account's keys also reveals their values; a smoke test should not need it.
        plan_id = self.usage_plan_ids.get(plan)
        if plan_id is None:
            return None
        full_name = f"{self.prefix}/{name}"
        pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(
            usagePlanId=plan_id, nameQuery=full_name
        )
        key_ids = [item["id"] for page in pages for item in page["items"] if item["name"] == full_name]
        if len(key_ids) < 2:
            return key_ids[0] if key_ids else None
        keys = [self.access.apigateway.get_api_key(apiKey=key_id) for key_id in key_ids]
        replaced = {key.get("tags", {}).get(_REPLACES) for key in keys}
        return next((key_id for key_id in key_ids if key_id not in replaced), None)

    def _plans(self) -> dict[str, str]:
        """The usage plan of each key, by the key's ID."""
        plans: dict[str, str] = {}
        for name, plan_id in self.usage_plan_ids.items():
            pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan_id)
            plans |= {item["id"]: name for page in pages for item in page["items"]}
        return plans

    def _items(self) -> builtins.list[ApiKeyTypeDef]:
        # By name, not by usage plan: keys without a plan must be listed and deleted too.
        start = f"{self.prefix}/"
        pages = self.access.apigateway.get_paginator("get_api_keys").paginate(
            nameQuery=start, includeValues=False
        )
        return [item for page in pages for item in page["items"] if item["name"].startswith(start)]


def is_for_jwts(name: str) -> bool:
    """Whether a key stands for callers with a JWT; no other key has a slash in its name."""
    return name.startswith(_JWT)


def require_secret(name: str) -> None:
    """Check that a key is for clients.

    Raises:
        InputError: it stands for callers with a JWT.
    """
    if is_for_jwts(name):
        raise InputError(
            f"cannot use the key {name}: it stands for callers with a JWT, and the API refuses its value",
            remedy="change `api.jwt` in the environment file, and run `toolkit apply`",
        )


def of(
    access: AwsAccess,
    environment: Environment,
    usage_plan_ids: Mapping[str, str] | None = None,
    jwt_keys: Mapping[str, str] | None = None,
) -> Keys:
    """The API keys of an environment.

    Args:
        access: the account.
        environment: the environment.
        usage_plan_ids: the deployed API's usage plans, by name; without them, keys can only be deleted.
        jwt_keys: the deployed API's keys for callers with a JWT, by usage plan; required to reconcile keys.
    """
    jwt_keys = jwt_keys or {}
    return Keys(
        access=access,
        prefix=environment.prefix,
        usage_plan_ids=usage_plan_ids or {},
        tags=environment.tags,
        declared={**environment.api.key_plans, **{f"{_JWT}{plan}": plan for plan in jwt_keys}},
        jwt_keys=jwt_keys,
    )


def new_value(name: str) -> str:
    """A random value for the key named `name`."""
    return f"sk-{name}-{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"
