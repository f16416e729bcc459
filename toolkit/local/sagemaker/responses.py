"""The operations on models, endpoint configurations, endpoints and tags."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker import dependencies, lifecycle, quotas
from toolkit.local.sagemaker.access import ContainerCredentials
from toolkit.local.sagemaker.deployment import DeploymentPolicy
from toolkit.local.sagemaker.fleet import EndpointContext, Fleet, Variant
from toolkit.local.sagemaker.models import (
    ByRegion,
    Collection,
    Endpoint,
    Resource,
    Tags,
    describe,
    page,
    summarize,
)
from toolkit.local.service import Cloud

_log = logging.getLogger(__name__)

# Takes the region and the checked request; returns the response's members.
Operation = Callable[[str, Members], Members]

# Defaults of MetricsConfig for configurations created after 17 June 2026 (developer guide, "Getting started
# with detailed observability", and API reference).
_METRICS = {
    "EnableEnhancedMetrics": False,
    "EnableDetailedObservability": True,
    "MetricPublishFrequencyInSeconds": 60,
}
_IN_PROGRESS = ("Creating", "Updating", "RollingBack", "Deleting")


def _without_tags(request: Members) -> Members:
    return {name: value for name, value in request.items() if name != "Tags"}


class Definitions:
    """Models and endpoint configurations of all regions, which never change, and tags."""

    def __init__(self, tags: Tags, enforcement: Enforcement) -> None:
        self._tags = tags
        self._enforcement = enforcement
        self.models: ByRegion[Resource] = ByRegion("model", "model")
        self.configurations: ByRegion[Resource] = ByRegion("endpoint configuration", "endpoint-config")

    def operations(self) -> dict[str, Operation]:
        """The operations, by name."""
        return {
            "CreateModel": self._create_model,
            "DescribeModel": self._describe_model,
            "DeleteModel": self._delete_model,
            "ListModels": self._list_models,
            "CreateEndpointConfig": self._create_configuration,
            "DescribeEndpointConfig": self._describe_configuration,
            "DeleteEndpointConfig": self._delete_configuration,
            "ListEndpointConfigs": self._list_configurations,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }

    def _create_model(self, region: str, request: Members) -> Members:
        if not request.get("PrimaryContainer") and not request.get("Containers"):
            raise ApiError("ValidationException", "You must specify either PrimaryContainer or Containers.")
        if "ExecutionRoleArn" not in request:
            raise ApiError("ValidationException", "You must specify ExecutionRoleArn.")
        dependencies.check(region, request, self._enforcement)
        model = self._create(self.models[region], request["ModelName"], request)
        return {"ModelArn": model.arn}

    def _describe_model(self, region: str, request: Members) -> Members:
        model = self.models[region].get(request["ModelName"])
        identity = {"ModelArn": model.arn, "CreationTime": model.created}
        return {"EnableNetworkIsolation": False, **model.definition, **identity}

    def _delete_model(self, region: str, request: Members) -> Members:
        self._tags.forget(self.models[region].remove(request["ModelName"]).arn)
        return {}

    def _list_models(self, region: str, request: Members) -> Members:
        rows = [
            {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}
            for model in self.models[region]
        ]
        return page("Models", rows, request, name="ModelName")

    def _create_configuration(self, region: str, request: Members) -> Members:
        variants = request["ProductionVariants"] + request.get("ShadowProductionVariants", [])
        names = [variant["VariantName"] for variant in variants]
        if len(set(names)) < len(names):
            raise ApiError("ValidationException", f"Duplicate production variant names: {', '.join(names)}.")
        for variant in variants:
            self._check_variant(region, variant)
        configuration = self._create(self.configurations[region], request["EndpointConfigName"], request)
        return {"EndpointConfigArn": configuration.arn}

    def _check_variant(self, region: str, variant: Members) -> None:
        if "ModelName" not in variant:
            message = f"ModelName is required for production variant {variant['VariantName']}."
            raise ApiError("ValidationException", message)
        routing = variant.get("RoutingConfig", {})
        prefix = routing.get("PrefixAwareRoutingConfig", {})
        # API reference, PrefixAwareRoutingConfig.
        if routing.get("RoutingStrategy") == "PREFIX_AWARE" and len(prefix) < 2:
            message = "PrefixLength and ConcurrencyThreshold are required for RoutingStrategy PREFIX_AWARE."
            raise ApiError("ValidationException", message)
        model = self.models[region].get(variant["ModelName"])
        if "ServerlessConfig" in variant:
            _check_weights(model)
            _check_serverless(variant["ServerlessConfig"])
        else:
            for member in ("InstanceType", "InitialInstanceCount"):
                if member not in variant:
                    message = f"{member} is required for production variant {variant['VariantName']}."
                    raise ApiError("ValidationException", message)
            variant.setdefault("InitialVariantWeight", 1.0)

    def _describe_configuration(self, region: str, request: Members) -> Members:
        configuration = self.configurations[region].get(request["EndpointConfigName"])
        identity = {"EndpointConfigArn": configuration.arn, "CreationTime": configuration.created}
        metrics = {**_METRICS, **configuration.definition.get("MetricsConfig", {})}
        return {
            "EnableNetworkIsolation": False,
            **configuration.definition,
            "MetricsConfig": metrics,
            **identity,
        }

    def _delete_configuration(self, region: str, request: Members) -> Members:
        self._tags.forget(self.configurations[region].remove(request["EndpointConfigName"]).arn)
        return {}

    def _list_configurations(self, region: str, request: Members) -> Members:
        rows = [
            {
                "EndpointConfigName": configuration.name,
                "EndpointConfigArn": configuration.arn,
                "CreationTime": configuration.created,
            }
            for configuration in self.configurations[region]
        ]
        return page("EndpointConfigs", rows, request, name="EndpointConfigName")

    def _add_tags(self, _: str, request: Members) -> Members:
        arn = request["ResourceArn"]
        self._tags.add(arn, request["Tags"])
        return {"Tags": self._tags.of(arn)}

    def _list_tags(self, _: str, request: Members) -> Members:
        return {"Tags": self._tags.of(request["ResourceArn"])}

    def _delete_tags(self, _: str, request: Members) -> Members:
        self._tags.remove(request["ResourceArn"], request["TagKeys"])
        return {}

    def _create(self, collection: Collection[Resource], name: str, request: Members) -> Resource:
        resource = Resource(name, collection.arn(name), _without_tags(request))
        collection.add(resource)
        self._tags.add(resource.arn, request.get("Tags", []))
        return resource


def _check_weights(model: Resource) -> None:
    # API reference, ContainerDefinition: ModelDataSource cannot be used with serverless endpoints.
    containers = [model.definition.get("PrimaryContainer", {}), *model.definition.get("Containers", [])]
    if any("ModelDataSource" in container for container in containers):
        message = f"Model {model.name} uses ModelDataSource, which serverless endpoints do not support."
        raise ApiError("ValidationException", message)


def _check_serverless(config: Members) -> None:
    if config["MemorySizeInMB"] % 1024:
        message = f"MemorySizeInMB {config['MemorySizeInMB']} is not a multiple of 1024."
        raise ApiError("ValidationException", message)
    provisioned = config.get("ProvisionedConcurrency", 0)
    if provisioned > config["MaxConcurrency"]:
        message = (
            f"ProvisionedConcurrency {provisioned} is greater than MaxConcurrency {config['MaxConcurrency']}."
        )
        raise ApiError("ValidationException", message)


class Endpoints:
    """The endpoints of all regions.

    Attributes:
        credentials: gives containers credentials of their execution roles.
        is_scaled: whether a variant (region, resource id) is a scalable target of Application Auto Scaling.
    """

    def __init__(
        self, cloud: Cloud, enforcement: Enforcement, metrics: Metrics, definitions: Definitions, tags: Tags
    ) -> None:
        self._cloud = cloud
        self._enforcement = enforcement
        self.credentials = ContainerCredentials(cloud.endpoint_url)
        self._metrics = metrics
        self._definitions = definitions
        self._tags = tags
        self._endpoints: ByRegion[Endpoint] = ByRegion("endpoint", "endpoint")
        self.is_scaled: Callable[[str, str], bool] = lambda *_: False

    def operations(self) -> dict[str, Operation]:
        """The operations, by name."""
        return {
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "ListEndpoints": self._list,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._update_weights,
            "DeleteEndpoint": self._delete,
        }

    def __iter__(self) -> Iterator[Endpoint]:
        return (endpoint for collection in self._endpoints.values() for endpoint in collection)

    def variants(self) -> Iterator[Variant]:
        """All variants of all fleets."""
        return (variant for endpoint in self for fleet in endpoint.fleets for variant in fleet.all_variants)

    def find(self, region: str, name: str) -> Endpoint | None:
        """The endpoint with this name, or None."""
        collection = self._endpoints[region]
        return collection.get(name) if name in collection else None

    async def stop(self) -> None:
        """Cancel all work and stop all processes."""
        await asyncio.gather(*(self._stop_endpoint(endpoint) for endpoint in self))

    def _create(self, region: str, request: Members) -> Members:
        collection, name = self._endpoints[region], request["EndpointName"]
        collection.check_free(name)
        fleet = self._fleet(region, name, request["EndpointConfigName"])
        quotas.require(region, collection, quotas.of_fleet(fleet))
        endpoint = Endpoint(
            name,
            collection.arn(name),
            _without_tags(request),
            region=region,
            configuration=fleet.configuration,
            deployment=request.get("DeploymentConfig"),
            pending=fleet,
        )
        collection.add(endpoint)
        self._tags.add(endpoint.arn, request.get("Tags", []))
        self._start_work(endpoint, "Creating", lifecycle.create(endpoint, fleet))
        return {"EndpointArn": endpoint.arn}

    def _update(self, region: str, request: Members) -> Members:
        endpoint = self._endpoints[region].get(request["EndpointName"])
        self._check_idle(endpoint)
        blue = endpoint.fleet
        if endpoint.status == "Failed" or blue is None:
            message = f'Cannot update endpoint "{endpoint.arn}" because its status is {endpoint.status}.'
            raise ApiError("ValidationException", message)
        # As on AWS, the update fails here if the old configuration was deleted.
        self._definitions.configurations[region].get(endpoint.configuration)
        green = self._fleet(region, endpoint.name, request["EndpointConfigName"])
        self._check_types(endpoint, green)
        if request.get("RetainAllVariantProperties"):
            _retain(green, endpoint, request.get("ExcludeRetainedVariantProperties", []))
        deployment = request.get("DeploymentConfig")
        if request.get("RetainDeploymentConfig"):
            deployment = endpoint.deployment
        policy = DeploymentPolicy.of(deployment, green.desired_count)
        quotas.require(region, self._endpoints[region], quotas.of_fleet(green, policy.batch))
        endpoint.deployment, endpoint.pending = deployment, green
        self._start_work(endpoint, "Updating", lifecycle.update(endpoint, blue, green, policy, self._metrics))
        return {"EndpointArn": endpoint.arn}

    def _check_types(self, endpoint: Endpoint, green: Fleet) -> None:
        """Reject another instance type for a variant that is a scalable target."""
        old = {variant.name: variant.definition.get("InstanceType") for variant in endpoint.variants}
        new = {variant.name: variant.definition.get("InstanceType") for variant in green.variants}
        changed = [
            name
            for name, instance_type in new.items()
            if old.get(name, instance_type) != instance_type
            and self.is_scaled(endpoint.region, f"endpoint/{endpoint.name}/variant/{name}")
        ]
        if changed:
            raise ApiError(
                "ValidationException",
                f"The instance type of variant(s) {', '.join(changed)} of endpoint {endpoint.arn} cannot be "
                "changed while they are registered as scalable targets with Application Auto Scaling. "
                "Deregister them first.",
            )

    def _update_weights(self, region: str, request: Members) -> Members:
        endpoint = self._endpoints[region].get(request["EndpointName"])
        self._check_idle(endpoint)
        if endpoint.status == "UpdateRollbackFailed":
            # Its instances have two configurations; only another update reconciles them.
            message = f'Cannot update endpoint "{endpoint.arn}" because its status is {endpoint.status}.'
            raise ApiError("ValidationException", message)
        changes = request["DesiredWeightsAndCapacities"]
        variants = {variant.name: variant for variant in endpoint.variants}
        unknown = [change["VariantName"] for change in changes if change["VariantName"] not in variants]
        if unknown:
            message = f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint '
            message += f'"{endpoint.arn}".'
            raise ApiError("ValidationException", message)
        delta: Counter[str] = Counter()
        for change in changes:
            variant = variants[change["VariantName"]]
            added = change.get("DesiredInstanceCount", variant.desired_count) - variant.desired_count
            delta[variant.definition.get("InstanceType", "")] += added
        quotas.require(region, self._endpoints[region], delta)
        for change in changes:
            variant = variants[change["VariantName"]]
            variant.weight = change.get("DesiredWeight", variant.weight)
            variant.desired_count = change.get("DesiredInstanceCount", variant.desired_count)
        if endpoint.fleet is not None:
            self._start_work(endpoint, "Updating", lifecycle.resize(endpoint, endpoint.fleet))
        return {"EndpointArn": endpoint.arn}

    def _delete(self, region: str, request: Members) -> Members:
        endpoint = self._endpoints[region].get(request["EndpointName"])
        if endpoint.status == "Deleting":
            # A client retries after it missed the first response.
            return {}
        # Terraform's provider treats this error as success, so the toolkit waits before it destroys.
        self._check_idle(endpoint)
        self._start_work(endpoint, "Deleting", self._delete_endpoint(endpoint))
        return {}

    def _describe(self, region: str, request: Members) -> Members:
        return describe(self._endpoints[region].get(request["EndpointName"]))

    def _list(self, region: str, request: Members) -> Members:
        rows = [summarize(endpoint) for endpoint in self._endpoints[region]]
        return page("Endpoints", rows, request, name="EndpointName")

    def _fleet(self, region: str, endpoint: str, configuration_name: str) -> Fleet:
        configuration = self._definitions.configurations[region].get(configuration_name)
        models = self._definitions.models[region]
        variants, shadows = (
            [
                Variant.of(definition, models.get(definition["ModelName"]).definition)
                for definition in configuration.definition.get(kind, [])
            ]
            for kind in ("ProductionVariants", "ShadowProductionVariants")
        )
        context = EndpointContext(
            endpoint=endpoint,
            region=region,
            models=self._cloud.directory / "models",
            environment=self._cloud.child_environment(region),
            enforcement=self._enforcement,
            credentials=self.credentials,
            metrics=self._metrics,
        )
        return Fleet(context, configuration_name, variants, configuration.definition, shadows)

    def _check_idle(self, endpoint: Endpoint) -> None:
        if endpoint.status in _IN_PROGRESS:
            raise ApiError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _start_work(self, endpoint: Endpoint, status: str, work: Coroutine[Any, Any, None]) -> None:
        endpoint.change(status)
        endpoint.started_at = endpoint.modified
        endpoint.work = asyncio.create_task(self._run(endpoint, work))

    async def _run(self, endpoint: Endpoint, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 it is logged, and shown to the user
            # A bug in the cloud itself must not leave the endpoint in progress forever.
            _log.exception("endpoint %s", endpoint.name)
            endpoint.change("Failed", f"The embedded cloud failed: {type(error).__name__}: {error}")
            if endpoint.pending is not None:
                await endpoint.pending.stop()
        finally:
            endpoint.pending = None

    async def _delete_endpoint(self, endpoint: Endpoint) -> None:
        await lifecycle.delete(endpoint)
        self._endpoints[endpoint.region].remove(endpoint.name)
        self._tags.forget(endpoint.arn)
        _log.info("endpoint %s is deleted", endpoint.name)

    async def _stop_endpoint(self, endpoint: Endpoint) -> None:
        if endpoint.work is not None:
            endpoint.work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await endpoint.work
        await asyncio.gather(*(fleet.stop() for fleet in endpoint.fleets))


def _retain(fleet: Fleet, endpoint: Endpoint, excluded: list[Members]) -> None:
    """Copy the current weights and instance counts to the new variants of the same names."""
    not_retained = {item["VariantPropertyType"] for item in excluded}
    old = {variant.name: variant for variant in endpoint.variants}
    for variant in fleet.variants:
        if variant.name in old:
            if "DesiredWeight" not in not_retained:
                variant.weight = old[variant.name].weight
            if "DesiredInstanceCount" not in not_retained:
                variant.desired_count = old[variant.name].desired_count
