"""API keys of an environment, made and read through API Gateway: no value ever enters Terraform's state.

A key's name in API Gateway is `<prefix>/<name>`, and users only ever see `<name>`. The slash can be in no
environment's name, so that `llm-dev` never takes a key of `llm-dev-b` for its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_KEY = "default"


@dataclass(frozen=True)
class ApiKey:
    """A key without its value.

    Attributes:
        name: what users call it.
        key_id: API Gateway's identifier; safe to log.
        enabled: whether it is accepted.
    """

    name: str
    key_id: str
    enabled: bool


@dataclass(frozen=True)
class Keys:
    """The keys of one environment.

    Attributes:
        access: the account.
        prefix: the environment's prefix, `<name>-<env>`.
        usage_plan_id: the usage plan that the keys are in.
        tags: put on new keys.
    """

    access: AwsAccess
    prefix: str
    usage_plan_id: str
    tags: Mapping[str, str]

    def list(self) -> list[ApiKey]:
        """All keys, by name."""
        return sorted(self._iterate(), key=lambda key: key.name)

    def show(self, name: str) -> str:
        """The value of one key.

        Raises:
            InputError: there is no key of that name.
        """
        key_id = self._find_in_plan(name) or self._find(name).key_id
        return self.access.apigateway.get_api_key(apiKey=key_id, includeValue=True)["value"]

    def create(self, name: str) -> ApiKey:
        """Make a key with a value of API Gateway's choosing.

        Raises:
            InputError: a key of that name exists.
        """
        if any(key.name == name for key in self._iterate()):
            raise InputError(f"a key named {name} exists", remedy="revoke it first, or choose another name")
        made = self.access.apigateway.create_api_key(
            name=f"{self.prefix}/{name}",
            enabled=True,
            # Policies are limited to what has this tag: keys have no names in ARNs.
            tags={**self.tags, "deployment": self.prefix},
        )
        self._attach(made["id"])
        return ApiKey(name=name, key_id=made["id"], enabled=True)

    def ensure_default(self) -> bool:
        """Make the key `default`, or bring it into the usage plan; returns whether anything was missing."""
        for key in self._iterate():
            if key.name == DEFAULT_KEY:
                return self._ensure_attached(key)
        self.create(DEFAULT_KEY)
        return True

    def revoke(self, name: str) -> None:
        """Delete one key; requests with it fail from then on.

        Raises:
            InputError: there is no key of that name.
        """
        self.access.apigateway.delete_api_key(apiKey=self._find(name).key_id)

    def revoke_all(self) -> int:
        """Delete every key of the environment; returns how many there were."""
        keys = self.list()
        for key in keys:
            self.access.apigateway.delete_api_key(apiKey=key.key_id)
        return len(keys)

    def _attach(self, key_id: str) -> None:
        self.access.apigateway.create_usage_plan_key(
            usagePlanId=self.usage_plan_id, keyId=key_id, keyType="API_KEY"
        )

    def _ensure_attached(self, key: ApiKey) -> bool:
        # A plan that was replaced, or a creation that was interrupted, leaves a key in no plan.
        pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(
            usagePlanId=self.usage_plan_id
        )
        if any(item["id"] == key.key_id for page in pages for item in page["items"]):
            return False
        self._attach(key.key_id)
        return True

    def _find_in_plan(self, name: str) -> str | None:
        # Listing the account's keys is a right that also shows their values: who only tests need not have it.
        pages = self.access.apigateway.get_paginator("get_usage_plan_keys").paginate(
            usagePlanId=self.usage_plan_id, nameQuery=f"{self.prefix}/{name}"
        )
        wanted = f"{self.prefix}/{name}"
        return next((item["id"] for page in pages for item in page["items"] if item["name"] == wanted), None)

    def _find(self, name: str) -> ApiKey:
        keys = self.list()
        for key in keys:
            if key.name == name:
                return key
        names = ", ".join(key.name for key in keys) or "none"
        raise InputError(f"no key named {name}", remedy=f"keys of this environment: {names}")

    def _iterate(self) -> Iterator[ApiKey]:
        # By name, not through the usage plan: a key outside the plan must be seen and deleted too.
        start = f"{self.prefix}/"
        pages = self.access.apigateway.get_paginator("get_api_keys").paginate(
            nameQuery=start, includeValues=False
        )
        for page in pages:
            for item in page["items"]:
                if item["name"].startswith(start):
                    yield ApiKey(
                        name=item["name"].removeprefix(start), key_id=item["id"], enabled=item["enabled"]
                    )
