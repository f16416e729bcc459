"""The tags of resources as they are now, for `aws:ResourceTag/…` and `aws:PrincipalTag/…`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.resource_tagging import iter_taggable_backends
from moto.iam.models import iam_backends
from moto.wafv2.models import wafv2_backends

from toolkit.local.apigateway.tags import holder_of
from toolkit.local.iam.arn import Arn
from toolkit.local.service import DEFAULT_REGION

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
