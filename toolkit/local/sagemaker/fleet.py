"""The fleet that serves one endpoint configuration: its variants, whose instances start and stop."""

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
from toolkit.local.sagemaker.meter import METER
from toolkit.local.sagemaker.metrics import Publish, publisher
from toolkit.local.sagemaker.serverless import Serverless
from toolkit.local.serving import runners

DEFAULT_STARTUP_SECONDS = 600
# The time limit of a streamed response: a draining instance finishes its requests.
DRAIN_SECONDS = 480.0
# The default routing strategy chooses an instance at random.
_LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True)
class EndpointContext:
    """The endpoint, as its fleets see it.

    Attributes:
        endpoint: the endpoint's name.
        models: directory of all models' files.
        environment: variables that make SDKs in a container use this cloud.
        enforcement: decides what a model's execution role may read.
        credentials: gives containers the role's credentials.
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
        """The log group of the endpoint's containers."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"


@dataclass
class Variant:
    """A production variant, or a shadow variant.

    Attributes:
        definition: the ProductionVariant of the endpoint configuration.
        model: the definition of its model.
        weight: traffic relative to the other variants; for a shadow variant, the part of the production
            variants' traffic that is copied to it.
        instances: instances that get requests once they are ready.
        draining: instances that finish their requests and stop.
        publish: publishes a metric; the fleet sets it.
        serverless: starts and stops the instance of a serverless variant; the fleet sets it.
    """

    definition: Members
    model: Members
    weight: float
    desired_count: int
    instances: list[Instance] = field(default_factory=list)
    draining: list[Instance] = field(default_factory=list)
    publish: Publish = field(default=lambda *_: None)
    serverless: Serverless | None = None

    @classmethod
    def of(cls, definition: Members, model: Members) -> Variant:
        """Create a variant from its definition in an endpoint configuration."""
        count = definition.get("InitialInstanceCount", 1)
        return cls(definition, model, definition.get("InitialVariantWeight", 1.0), count)

    @property
    def name(self) -> str:
        """The variant's name."""
        return str(self.definition["VariantName"])

    @property
    def container(self) -> Members:
        """The ContainerDefinition of its model."""
        containers = self.model.get("Containers") or [{}]
        return dict(self.model.get("PrimaryContainer") or containers[0])

    @property
    def count(self) -> int:
        """The number of instances in service."""
        return sum(instance.in_service for instance in self.instances)

    def choose(self) -> Instance | None:
        """The instance for a request, by the routing strategy; None if no instance is ready."""
        ready = [instance for instance in self.instances if instance.ready]
        if not ready:
            return None
        if self.definition.get("RoutingConfig", {}).get("RoutingStrategy") == _LEAST_OUTSTANDING:
            return min(ready, key=lambda instance: instance.in_flight)
        return random.choice(ready)  # noqa: S311 not for security

    async def resize(self, context: EndpointContext, count: int, *, timeout: float | None = None) -> None:
        """Start instances and wait until they are healthy, or drain and stop some.

        Args:
            context: the endpoint.
            count: the new number of instances.
            timeout: seconds on AWS that a start may take, if less than its own limit.

        Raises:
            FleetError: the new instances did not start; the others keep running.
        """
        while len(self.instances) > count:
            # Stop instances that are not ready first, then those with the fewest requests.
            instance = min(self.instances, key=lambda candidate: (candidate.ready, candidate.in_flight))
            self.instances.remove(instance)
            self.draining.append(instance)
        starts = [self._start(context, timeout) for _ in range(count - len(self.instances))]
        await run_all(*starts, *(self._drain(instance) for instance in list(self.draining)))

    async def _drain(self, instance: Instance) -> None:
        await instance.drain(DRAIN_SECONDS)
        await instance.stop()
        # An idle serverless variant and a deployment may both stop the instance.
        if instance in self.draining:
            self.draining.remove(instance)

    async def _start(self, context: EndpointContext, timeout: float | None) -> None:
        try:
            instance = Instance(await self._program(context, timeout))
            if "InstanceType" in self.definition:
                instance.metered = METER.launch(
                    context.region, context.endpoint, self.name, self.definition["InstanceType"]
                )
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
            if isinstance(error, InstanceTimeoutError) and self._startup_seconds > (timeout or math.inf):
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

    async def _program(self, context: EndpointContext, timeout: float | None) -> Program:
        self._check()
        container = self.container
        role = ExecutionRole(context.enforcement, self.model.get("ExecutionRoleArn", ""))
        role.require_trust()
        credentials = context.credentials.environment(role, context.region)
        environment = {**context.environment, **credentials, **container.get("Environment", {})}
        command = runners.command(container.get("Image", ""), environment)
        files = await asyncio.to_thread(artifacts.materialize, container, context.models, role.require)
        startup = min(self._startup_seconds, math.inf if timeout is None else timeout)
        return Program(command, environment, files, context.log_group, self.name, context.region, startup)

    async def stop(self) -> None:
        """Stop all processes at once."""
        if self.serverless is not None:
            await self.serverless.stop()
        await asyncio.gather(*(instance.stop() for instance in [*self.instances, *self.draining]))
        self.instances.clear()
        self.draining.clear()


async def run_all(*work: Coroutine[Any, Any, None]) -> None:
    """Wait until all coroutines have finished, then raise the first error."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


@dataclass(frozen=True)
class Stage:
    """The stage of a deployment that a fleet is in.

    Attributes:
        status: a VariantStatus, such as `Creating` or `Baking`.
        since: seconds since the epoch.
    """

    status: str
    since: float = field(default_factory=time.time)


class Fleet:
    """The variants of one endpoint configuration.

    Args:
        context: the endpoint.
        configuration: the configuration's name.
        variants: the production variants, not yet started.
        definition: the configuration's members.
        shadows: the shadow variants.

    Attributes:
        stage: the stage of a deployment in progress.
    """

    def __init__(
        self,
        context: EndpointContext,
        configuration: str,
        variants: Sequence[Variant],
        definition: Members,
        shadows: Sequence[Variant] = (),
    ) -> None:
        self.context = context
        self.configuration = configuration
        self.definition = definition
        self.variants = list(variants)
        self.shadows = list(shadows)
        self.stage: Stage | None = None
        for variant in self.all_variants:
            variant.publish = publisher(
                context.metrics, context.region, context.endpoint, variant.name, configuration
            )
            if "ServerlessConfig" in variant.definition:
                variant.serverless = self._serverless(variant)

    def _serverless(self, variant: Variant) -> Serverless:
        async def resize(count: int) -> None:
            try:
                await variant.resize(self.context, count)
            except FleetError as error:
                raise SetupError(str(error)) from error

        return Serverless(variant.definition["ServerlessConfig"], resize, variant.publish)

    @property
    def all_variants(self) -> list[Variant]:
        """The production variants and the shadow variants."""
        return [*self.variants, *self.shadows]

    @property
    def desired_count(self) -> int:
        """The desired number of production instances."""
        return sum(variant.desired_count for variant in self.variants)

    @property
    def count(self) -> int:
        """The number of production instances in service."""
        return sum(variant.count for variant in self.variants)

    async def resize(
        self, count: Callable[[Variant], int] | None = None, *, timeout: float | None = None
    ) -> None:
        """Resize each variant to `count(variant)`, by default to its desired count.

        Raises:
            FleetError: see `Variant.resize`.
        """
        counts = [(variant, (count or _desired)(variant)) for variant in self.all_variants]
        await run_all(*(variant.resize(self.context, size, timeout=timeout) for variant, size in counts))

    async def drain(self) -> None:
        """Stop all instances after their last requests; the fleet must get no new ones."""
        await self.resize(lambda _: 0)

    async def stop(self) -> None:
        """Stop all processes at once."""
        await asyncio.gather(*(variant.stop() for variant in self.all_variants))

    @property
    def instances(self) -> list[Instance]:
        """All instances that have a process."""
        return [
            instance for variant in self.all_variants for instance in [*variant.instances, *variant.draining]
        ]

    def choose(self, target: str | None) -> Variant | None:
        """The variant for a request: the target variant, or one by weight; None if the target is unknown."""
        if target is not None:
            return next((variant for variant in self.variants if variant.name == target), None)
        weights = [variant.weight for variant in self.variants]
        if not any(weights):
            return self.variants[0]
        return random.choices(self.variants, weights)[0]  # noqa: S311 not for security

    def sample_shadows(self) -> list[Variant]:
        """The shadow variants that get a copy of a request, as often as their relative weight says."""
        total = sum(variant.weight for variant in self.variants)
        return [
            shadow
            for shadow in self.shadows
            if random.random() * total < shadow.weight  # noqa: S311 not for security
        ]


def _desired(variant: Variant) -> int:
    return variant.desired_count
