"""What serves one endpoint configuration: a variant for each of its production variants."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.measure import publisher
from toolkit.local.sagemaker.serverless import Serverless, SetupError
from toolkit.local.sagemaker.store import Members
from toolkit.local.sagemaker.variant import FleetError, Site, Variant, all_of


@dataclass(frozen=True)
class Stage:
    """What a fleet is at in a deployment.

    Attributes:
        status: a VariantStatus, such as `Creating` or `Baking`.
        since: seconds since the epoch.
    """

    status: str
    since: float = field(default_factory=time.time)


class Fleet:
    """The variants of one endpoint configuration.

    Args:
        site: the endpoint.
        configuration: the configuration's name.
        variants: the production variants, not yet started.
        definition: the configuration itself.
        shadows: the shadow variants.

    Attributes:
        stage: in a deployment.
    """

    def __init__(
        self,
        site: Site,
        configuration: str,
        variants: Sequence[Variant],
        definition: Members,
        shadows: Sequence[Variant] = (),
    ) -> None:
        self.site = site
        self.configuration = configuration
        self.definition = definition
        self.variants = list(variants)
        self.shadows = list(shadows)
        self.stage: Stage | None = None
        for variant in self.all_variants:
            variant.publish = publisher(site.metrics, site.region, site.endpoint, variant.name, configuration)
            if "ServerlessConfig" in variant.definition:
                variant.serverless = self._serverless(variant)

    def _serverless(self, variant: Variant) -> Serverless:
        async def resize(count: int) -> None:
            try:
                await variant.resize(self.site, count)
            except FleetError as error:
                raise SetupError(str(error)) from error

        return Serverless(variant.definition["ServerlessConfig"], resize, variant.publish)

    @property
    def all_variants(self) -> list[Variant]:
        """The production variants and the shadow variants."""
        return [*self.variants, *self.shadows]

    @property
    def desired_count(self) -> int:
        """Instances that the production variants should have."""
        return sum(variant.desired_count for variant in self.variants)

    @property
    def count(self) -> int:
        """Instances of the production variants that are in service."""
        return sum(variant.count for variant in self.variants)

    async def resize(
        self, count: Callable[[Variant], int] | None = None, *, within: float | None = None
    ) -> None:
        """Give each variant as many instances as `count` says, by default as many as it should have.

        Raises:
            FleetError: see `Variant.resize`.
        """
        counts = {id(variant): (count or _desired)(variant) for variant in self.all_variants}
        await all_of(
            *(variant.resize(self.site, counts[id(variant)], within=within) for variant in self.all_variants)
        )

    async def release(self) -> None:
        """Stop all instances when they have no requests any more; there must be no new ones."""
        await self.resize(lambda _: 0)

    async def stop(self) -> None:
        """End all processes at once."""
        await asyncio.gather(*(variant.stop() for variant in self.all_variants))

    @property
    def instances(self) -> list[Instance]:
        """All instances that have processes."""
        return [
            instance for variant in self.all_variants for instance in [*variant.instances, *variant.leaving]
        ]

    def choose(self, target: str | None) -> Variant | None:
        """The variant for a request: the target if one is named, otherwise by weight.

        Returns:
            None if there is no variant of that name.
        """
        if target is not None:
            return next((variant for variant in self.variants if variant.name == target), None)
        weights = [variant.weight for variant in self.variants]
        if not any(weights):
            return self.variants[0]
        return random.choices(self.variants, weights)[0]  # noqa: S311 not for security

    def sample_shadows(self) -> list[Variant]:
        """The shadow variants that get a copy of a request: as often as their weight is to the others'."""
        total = sum(variant.weight for variant in self.variants)
        return [
            shadow
            for shadow in self.shadows
            if random.random() * total < shadow.weight  # noqa: S311 not for security
        ]


def _desired(variant: Variant) -> int:
    return variant.desired_count
