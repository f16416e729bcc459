"""A variant of an endpoint configuration: its instances, started and stopped."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.local.awsapi import Members
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker import artifacts
from toolkit.local.sagemaker.access import ContainerCredentials, ExecutionRole
from toolkit.local.sagemaker.exceptions import (
    ArtifactError,
    FleetError,
    InstanceError,
    InstanceTimeoutError,
    RoleDeniedError,
    SetupError,
    StartTimeoutError,
)
from toolkit.local.sagemaker.instance import Instance, Program
from toolkit.local.sagemaker.metrics import Publish, publisher
from toolkit.local.sagemaker.serverless import Serverless
from toolkit.local.serving import runners

DEFAULT_STARTUP_SECONDS = 600
# A streamed answer may take as long; an instance that goes waits for the requests that it has.
DRAIN_SECONDS = 480.0
# When an endpoint configuration says nothing, instances are chosen at random.
_LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True)
class Site:
    """What all fleets of an endpoint share.

    Attributes:
        endpoint: its name.
        region: its region.
        models: folder of all models' files.
        environment: what SDKs in a container need to reach the cloud.
        enforcement: decides what a model's execution role may read.
        credentials: gives containers those of that role.
        metrics: where what the containers do is published.
    """

    endpoint: str
    region: str
    models: Path
    environment: dict[str, str]
    enforcement: Enforcement
    credentials: ContainerCredentials
    metrics: Metrics

    @property
    def log_group(self) -> str:
        """Where SageMaker writes the output of an endpoint's containers."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"


@dataclass
class Variant:
    """A production variant, or a shadow variant.

    Attributes:
        definition: the ProductionVariant of the endpoint configuration.
        model: the definition of its model.
        weight: its share of the traffic, relative to the other variants'; of a shadow, how much of the
            production variants' traffic is copied to it.
        desired_count: how many instances it should have.
        instances: those that get requests, once they are ready.
        leaving: those that finish what they have, and stop.
        publish: takes what is measured; a fleet sets it.
        serverless: what starts and stops its instance, if it is serverless; a fleet sets it.
    """

    definition: Members
    model: Members
    weight: float
    desired_count: int
    instances: list[Instance] = field(default_factory=list)
    leaving: list[Instance] = field(default_factory=list)
    publish: Publish = field(default=lambda *_: None)
    serverless: Serverless | None = None

    @classmethod
    def of(cls, definition: Members, model: Members) -> Variant:
        """A variant as its endpoint configuration defines it."""
        count = definition.get("InitialInstanceCount", 1)
        return cls(definition, model, definition.get("InitialVariantWeight", 1.0), count)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.definition["VariantName"])

    @property
    def container(self) -> Members:
        """The ContainerDefinition of its model."""
        containers = self.model.get("Containers") or [{}]
        return dict(self.model.get("PrimaryContainer") or containers[0])

    @property
    def count(self) -> int:
        """How many instances are in service."""
        return sum(instance.in_service for instance in self.instances)

    def choose(self) -> Instance | None:
        """The instance for a request, as the configuration routes; None if none can serve."""
        ready = [instance for instance in self.instances if instance.ready]
        if not ready:
            return None
        if self.definition.get("RoutingConfig", {}).get("RoutingStrategy") == _LEAST_OUTSTANDING:
            return min(ready, key=lambda instance: instance.in_flight)
        return random.choice(ready)  # noqa: S311 not for security

    async def resize(self, site: Site, count: int, *, within: float | None = None) -> None:
        """Start instances and wait until they are healthy, or stop some when they have no requests any more.

        Args:
            site: the endpoint.
            count: how many there are to be.
            within: seconds on AWS that a start may take, if less than its own limit.

        Raises:
            FleetError: they did not start; those that there were before go on.
        """
        while len(self.instances) > count:
            # Those that do not serve go first, then those with the least to do.
            instance = min(self.instances, key=lambda each: (each.ready, each.in_flight))
            self.instances.remove(instance)
            self.leaving.append(instance)
        starts = [self._start(site, within) for _ in range(count - len(self.instances))]
        await all_of(*starts, *(self._release(instance) for instance in list(self.leaving)))

    async def _release(self, instance: Instance) -> None:
        await instance.drain(DRAIN_SECONDS)
        await instance.stop()
        # An idle serverless variant may be stopped by itself and by a deployment at once.
        if instance in self.leaving:
            self.leaving.remove(instance)

    async def _start(self, site: Site, within: float | None) -> None:
        try:
            instance = Instance(await self._program(site, within))
        except RoleDeniedError as error:
            raise FleetError(
                "Could not assume the execution role. Please ensure that it exists and allows the principal "
                f"sagemaker.amazonaws.com to assume it. {error}"
            ) from error
        except (ArtifactError, runners.UnsupportedImageError) as error:
            raise FleetError(str(error)) from error
        self.instances.append(instance)
        try:
            await instance.start()
        except BaseException as error:
            self.instances.remove(instance)
            if isinstance(error, InstanceTimeoutError) and self._startup_seconds > (within or math.inf):
                raise StartTimeoutError(str(error)) from error
            if isinstance(error, InstanceError | OSError):
                raise FleetError(
                    f"The primary container for production variant {self.name} did not pass the ping "
                    f"health check. Please check CloudWatch logs for this endpoint. {error}"
                ) from error
            raise

    @property
    def _startup_seconds(self) -> float:
        seconds = self.definition.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_SECONDS)
        return float(seconds)

    def _check(self) -> None:
        for kind, used in (
            ("a pipeline of containers", len(self.model.get("Containers", [])) > 1),
            ("a multi-model container", self.container.get("Mode") == "MultiModel"),
        ):
            if used:
                message = f"Production variant {self.name} is {kind}, which the embedded cloud cannot run."
                raise FleetError(message)

    async def _program(self, site: Site, within: float | None) -> Program:
        self._check()
        container = self.container
        role = ExecutionRole(site.enforcement, self.model.get("ExecutionRoleArn", ""))
        role.require_trust()
        credentials = site.credentials.environment(role, site.region)
        environment = {**site.environment, **credentials, **container.get("Environment", {})}
        command = runners.command(container.get("Image", ""), environment)
        files = await asyncio.to_thread(artifacts.materialise, container, site.models, role.require)
        startup = min(self._startup_seconds, math.inf if within is None else within)
        return Program(command, environment, files, site.log_group, self.name, site.region, startup)

    async def stop(self) -> None:
        """End all its processes."""
        if self.serverless is not None:
            await self.serverless.stop()
        await asyncio.gather(*(instance.stop() for instance in [*self.instances, *self.leaving]))
        self.instances.clear()
        self.leaving.clear()


async def all_of(*work: Coroutine[Any, Any, None]) -> None:
    """Wait for all of some work, and then raise the first error."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


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
