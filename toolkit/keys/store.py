"""API keys, as API Gateway keeps them.

A key's name in API Gateway is `<prefix>/<name>`, and users only ever see `<name>`. The slash can be in no
environment's name, so that `llm-dev` never takes a key of `llm-dev-b` for its own. While a key is rotated
there are two of its name: the new one has a tag with the id of the old one.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.keys.values import new_value

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import ApiKeyTypeDef

DEFAULT_KEY: Final = "default"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_REPLACES: Final = "replaces"
# In the description, where people see it, too.
_DECLARED: Final = "Declared in the environment file"
_BY_HAND: Final = "Made with toolkit keys create"


@dataclass(frozen=True)
class ApiKey:
    """A key without its value.

    Attributes:
        name: what users call it.
        key_id: API Gateway's identifier; safe to log.
        enabled: whether it is accepted.
        usage_plan: the usage plan it is in; None if it is in none, and no use.
        declared: whether it stands in the environment file.
        old: whether a rotation has put another one in its place.
    """

    name: str
    key_id: str
    enabled: bool
    usage_plan: str | None
    declared: bool
    old: bool = False


@dataclass(frozen=True)
class Keys:
    """The keys of one environment.

    Attributes:
        access: the account.
        prefix: the environment's prefix, `<name>-<env>`.
        usage_plan_ids: the usage plans that keys can be in, by name.
        tags: put on new keys.
        declared: the usage plan of each key in the environment file; others are in the plan `default`.
    """

    access: AwsAccess
    prefix: str
    usage_plan_ids: Mapping[str, str]
    tags: Mapping[str, str]
    declared: Mapping[str, str]

    def list(self) -> builtins.list[ApiKey]:
        """All keys, by name; what a rotation has replaced comes after its successor."""
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
        """The key of a name; its new value while it is rotated.

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
        """The value of the key of a name; the new one while it is rotated.

        Raises:
            InputError: there is no key of that name.
        """
        found = self._find_in_plan(name) or self.find(name).key_id
        return self.access.apigateway.get_api_key(apiKey=found, includeValue=True)["value"]

    def create(self, name: str) -> ApiKey:
        """Make a key, in the usage plan that the environment file says, or in `default`.

        Raises:
            InputError: a key of that name exists, or none can be called so, or there are no keys here.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} cannot be a key's name",
                remedy="use up to 40 lower-case letters, digits and hyphens",
            )
        if any(key.name == name for key in self.list()):
            raise InputError(
                f"a key named {name} exists",
                remedy="`toolkit keys rotate` gives it a new value; else revoke it, or choose another name",
            )
        return self.add(name)

    def add(self, name: str, *, replaces: ApiKey | None = None) -> ApiKey:
        """Make a key, whether or not there is one of its name.

        Args:
            name: its name.
            replaces: the key in whose place it is put.

        Raises:
            InputError: there are no keys here.
        """
        plan = self.plan_of(name)
        declared = name in self.declared
        replacing = {_REPLACES: replaces.key_id} if replaces else {}
        made = self.access.apigateway.create_api_key(
            name=f"{self.prefix}/{name}",
            description=_DECLARED if declared else _BY_HAND,
            enabled=True,
            value=new_value(name),
            # Policies are limited to what has the tag `deployment`: keys have no names in ARNs.
            tags={**self.tags, "deployment": self.prefix, **replacing},
        )
        self._attach(made["id"], plan)
        return ApiKey(name, made["id"], enabled=True, usage_plan=plan, declared=declared)

    def plan_of(self, name: str) -> str:
        """The usage plan that a key belongs in.

        Raises:
            InputError: it does not exist.
        """
        plan = self.declared.get(name, "default")
        if plan not in self.usage_plan_ids:
            wrong = f"there is no usage plan {plan}" if self.usage_plan_ids else "this API has no keys"
            right = "`toolkit apply` makes what the environment file says, with `api.auth: keys`"
            raise InputError(wrong, remedy=right)
        return plan

    def move(self, key: ApiKey) -> None:
        """Bring a key into the usage plan that it belongs in."""
        plan = self.plan_of(key.name)
        if key.usage_plan is not None:
            # API Gateway lets a key be in one plan of a stage only, so it is in none for a moment.
            self.access.apigateway.delete_usage_plan_key(
                usagePlanId=self.usage_plan_ids[key.usage_plan], keyId=key.key_id
            )
        self._attach(key.key_id, plan)

    def adopt(self, key: ApiKey) -> None:
        """Note that a key stands in the environment file now, or no more."""
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

    def delete(self, key: ApiKey) -> None:
        """Delete one key; requests with it fail from then on."""
        self.access.apigateway.delete_api_key(apiKey=key.key_id)

    def revoke(self, name: str) -> None:
        """Delete the key of a name, and what it has replaced.

        Raises:
            InputError: there is no key of that name.
        """
        self.find(name)
        for key in self.list():
            if key.name == name:
                self.delete(key)

    def revoke_old(self, name: str) -> None:
        """Delete what a rotation has replaced.

        Raises:
            InputError: there is nothing of the kind.
        """
        self.find(name)
        old = [key for key in self.list() if key.name == name and key.old]
        if not old:
            raise InputError(f"{name} has one value only", remedy="without --old the key itself is revoked")
        for key in old:
            self.delete(key)

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

    def _find_in_plan(self, name: str) -> str | None:
        # Listing the account's keys is a right that also shows their values: who only tests need not have it.
        plan_id = self.usage_plan_ids.get(self.declared.get(name, "default"))
        if plan_id is None:
            return None
        wanted = f"{self.prefix}/{name}"
        pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(
            usagePlanId=plan_id, nameQuery=wanted
        )
        found = [item["id"] for page in pages for item in page["items"] if item["name"] == wanted]
        if len(found) < 2:
            return found[0] if found else None
        keys = [self.access.apigateway.get_api_key(apiKey=key_id) for key_id in found]
        replaced = {key.get("tags", {}).get(_REPLACES) for key in keys}
        return next((key_id for key_id in found if key_id not in replaced), None)

    def _plans(self) -> dict[str, str]:
        """The usage plan of each key, by the key's id."""
        found: dict[str, str] = {}
        for name, plan_id in self.usage_plan_ids.items():
            pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan_id)
            found |= {item["id"]: name for page in pages for item in page["items"]}
        return found

    def _items(self) -> builtins.list[ApiKeyTypeDef]:
        # By name, not through the usage plans: a key outside of them must be seen and deleted too.
        start = f"{self.prefix}/"
        pages = self.access.apigateway.get_paginator("get_api_keys").paginate(
            nameQuery=start, includeValues=False
        )
        return [item for page in pages for item in page["items"] if item["name"].startswith(start)]
