"""What serves one endpoint configuration: a variant for each of its production variants."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.metrics.service import Metrics
from toolkit.local.sagemaker import artifacts
from toolkit.local.sagemaker.executionrole import ExecutionRole
from toolkit.local.sagemaker.instance import Instance, InstanceError, Program
from toolkit.local.sagemaker.measure import Publish, publisher
from toolkit.local.sagemaker.store import Members
from toolkit.local.serving import runners

DEFAULT_STARTUP_SECONDS = 600
# A real-time endpoint's answer may take as long; a fleet that goes waits for those in progress.
DRAIN_SECONDS = 60.0


class FleetError(Exception):
    """The fleet did not become healthy; the message is a failure reason."""


@dataclass(frozen=True)
class Site:
    """What all fleets of an endpoint share.

    Attributes:
        endpoint: its name.
        region: its region.
        models: folder of all models' files.
        environment: what SDKs in a container need to reach the cloud.
        enforcement: decides what a model's execution role may read.
        metrics: where what the containers do is published.
    """

    endpoint: str
    region: str
    models: Path
    environment: dict[str, str]
    enforcement: Enforcement
    metrics: Metrics

    @property
    def log_group(self) -> str:
        """Where SageMaker writes the output of an endpoint's containers."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"


@dataclass
class Variant:
    """A production variant.

    Attributes:
        definition: the ProductionVariant of the endpoint configuration.
        model: the definition of its model.
        weight: its share of the traffic, relative to the other variants'.
        instance_count: how many instances it has by SageMaker's count. One process serves for all of
            them: more would only compete for the same processors.
        publish: takes what is measured; a fleet sets it.
    """

    definition: Members
    model: Members
    weight: float
    instance_count: int
    instances: list[Instance] = field(default_factory=list)
    publish: Publish = field(default=lambda *_: None)

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

    async def start(self, site: Site) -> None:
        """Fetch the model's files, start the server, wait until it is healthy.

        Raises:
            FleetError: any of that failed.
        """
        try:
            instance = Instance(await self._program(site))
            self.instances.append(instance)
            await instance.start()
        except (artifacts.ArtifactError, runners.UnsupportedImageError) as error:
            raise FleetError(str(error)) from error
        except (InstanceError, OSError) as error:
            raise FleetError(
                f"The primary container for production variant {self.name} did not pass the ping health "
                f"check. Please check CloudWatch logs for this endpoint. {error}"
            ) from error

    def _check(self) -> None:
        for kind, used in (
            ("a pipeline of containers", len(self.model.get("Containers", [])) > 1),
            ("a multi-model container", self.container.get("Mode") == "MultiModel"),
        ):
            if used:
                message = f"Production variant {self.name} is {kind}, which the embedded cloud cannot run."
                raise FleetError(message)

    async def _program(self, site: Site) -> Program:
        self._check()
        container = self.container
        environment = {**site.environment, **container.get("Environment", {})}
        command = runners.command(container.get("Image", ""), environment)
        role = ExecutionRole(site.enforcement, self.model.get("ExecutionRoleArn", ""))
        files = await asyncio.to_thread(artifacts.materialise, container, site.models, role.require)
        startup = self.definition.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_SECONDS)
        return Program(command, environment, files, site.log_group, self.name, site.region, startup)

    async def stop(self) -> None:
        """End all its processes."""
        await asyncio.gather(*(instance.stop() for instance in self.instances))


class Fleet:
    """The variants of one endpoint configuration, started and stopped together.

    Args:
        site: the endpoint.
        configuration: the configuration's name.
        variants: not yet started.
        definition: the configuration itself.
    """

    def __init__(
        self, site: Site, configuration: str, variants: Sequence[Variant], definition: Members
    ) -> None:
        self.site = site
        self.configuration = configuration
        self.definition = definition
        self.variants = list(variants)
        for variant in variants:
            variant.publish = publisher(site.metrics, site.region, site.endpoint, variant.name, configuration)

    async def start(self) -> None:
        """Start all variants; if one fails, stop the others.

        Raises:
            FleetError: see there.
        """
        results: list[Any] = await asyncio.gather(
            *(variant.start(self.site) for variant in self.variants), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until no request is in progress, at most so long."""
        await asyncio.gather(*(instance.drain(seconds) for instance in self.instances))

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(variant.stop() for variant in self.variants))

    @property
    def instances(self) -> list[Instance]:
        """The instances of all variants."""
        return [instance for variant in self.variants for instance in variant.instances]

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
