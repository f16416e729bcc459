"""Models and endpoint configurations: what never changes once it is created."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker import lifecycle
from toolkit.local.sagemaker.access import ContainerCredentials
from toolkit.local.sagemaker.deployment import Policy
from toolkit.local.sagemaker.fleet import Fleet, Site, Variant
from toolkit.local.sagemaker.models import (
    ByRegion,
    Collection,
    Endpoint,
    Resource,
    Tags,
    describe,
    page,
    summarise,
)
from toolkit.local.service import Cloud

Operation = Callable[[str, Members], Members]


def without(members: Members, *names: str) -> Members:
    """A copy of `members` without some of them."""
    return {name: value for name, value in members.items() if name not in names}


class Definitions:
    """Models and endpoint configurations of all regions, and the operations on them.

    Each operation takes the region and the checked request, and returns the answer's members.
    """

    def __init__(self, tags: Tags) -> None:
        self._tags = tags
        self.models: ByRegion[Resource] = ByRegion("model", "model")
        self.configurations: ByRegion[Resource] = ByRegion("endpoint configuration", "endpoint-config")

    def operations(self) -> dict[str, Operation]:
        """The operations by name."""
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
        model = self._create(self.models[region], request["ModelName"], request)
        return {"ModelArn": model.arn}

    def _describe_model(self, region: str, request: Members) -> Members:
        model = self.models[region].get(request["ModelName"])
        answer = {"EnableNetworkIsolation": False, **model.definition}
        return {**answer, "ModelArn": model.arn, "CreationTime": model.created}

    def _delete_model(self, region: str, request: Members) -> Members:
        self._tags.forget(self.models[region].remove(request["ModelName"]).arn)
        return {}

    def _list_models(self, region: str, request: Members) -> Members:
        rows = [
            {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}
            for model in self.models[region]
        ]
        answer = page(rows, request, name="ModelName", default_order="Descending")
        return {**without(answer, "rows"), "Models": answer["rows"]}

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
        self.models[region].get(variant["ModelName"])
        if "ServerlessConfig" in variant:
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
        return {"EnableNetworkIsolation": False, **configuration.definition, **identity}

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
        answer = page(rows, request, name="EndpointConfigName", default_order="Descending")
        return {**without(answer, "rows"), "EndpointConfigs": answer["rows"]}

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
        resource = Resource(name, collection.arn(name), without(request, "Tags"))
        collection.add(resource)
        self._tags.add(resource.arn, request.get("Tags", []))
        return resource


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


_log = logging.getLogger(__name__)

_IN_PROGRESS = ("Creating", "Updating", "RollingBack", "Deleting")


class Endpoints:
    """The endpoints of all regions.

    Attributes:
        credentials: what containers get of their roles.
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
        # Whether a variant is a scalable target, by region and resource id: Application Auto Scaling knows.
        self.is_scaled: Callable[[str, str], bool] = lambda *_: False

    def operations(self) -> dict[str, Operation]:
        """The operations by name; see `Definitions`."""
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
        """All variants that have instances."""
        return (variant for endpoint in self for fleet in endpoint.fleets for variant in fleet.all_variants)

    def find(self, region: str, name: str) -> Endpoint | None:
        """An endpoint, for invocations."""
        collection = self._endpoints[region]
        return collection.get(name) if name in collection else None

    async def stop(self) -> None:
        """End all work and all processes."""
        await asyncio.gather(*(self._halt(endpoint) for endpoint in self))

    def _create(self, region: str, request: Members) -> Members:
        collection, name = self._endpoints[region], request["EndpointName"]
        collection.check_free(name)
        fleet = self._fleet(region, name, request["EndpointConfigName"])
        endpoint = Endpoint(
            name,
            collection.arn(name),
            without(request, "Tags"),
            region=region,
            configuration=fleet.configuration,
            deployment=request.get("DeploymentConfig"),
            pending=fleet,
        )
        collection.add(endpoint)
        self._tags.add(endpoint.arn, request.get("Tags", []))
        self._begin(endpoint, "Creating", lifecycle.bring_up(endpoint, fleet))
        return {"EndpointArn": endpoint.arn}

    def _update(self, region: str, request: Members) -> Members:
        endpoint = self._endpoints[region].get(request["EndpointName"])
        self._check_idle(endpoint)
        blue = endpoint.fleet
        if endpoint.status == "Failed" or blue is None:
            message = f'Cannot update endpoint "{endpoint.arn}" because its status is {endpoint.status}.'
            raise ApiError("ValidationException", message)
        # AWS needs the old configuration too; that it was deleted shows only here.
        self._definitions.configurations[region].get(endpoint.configuration)
        green = self._fleet(region, endpoint.name, request["EndpointConfigName"])
        self._check_types(endpoint, green)
        if request.get("RetainAllVariantProperties"):
            _retain(green, endpoint, request.get("ExcludeRetainedVariantProperties", []))
        deployment = request.get("DeploymentConfig")
        if request.get("RetainDeploymentConfig"):
            deployment = endpoint.deployment
        policy = Policy.of(deployment, green.desired_count)
        endpoint.deployment, endpoint.pending = deployment, green
        self._begin(endpoint, "Updating", lifecycle.replace(endpoint, blue, green, policy, self._metrics))
        return {"EndpointArn": endpoint.arn}

    def _check_types(self, endpoint: Endpoint, green: Fleet) -> None:
        """Refuse another instance type for a variant that is scaled automatically."""
        old = {variant.name: variant.definition.get("InstanceType") for variant in endpoint.variants}
        changed = [
            variant.name
            for variant in green.variants
            if old.get(variant.name, variant.definition.get("InstanceType"))
            != variant.definition.get("InstanceType")
            and self.is_scaled(endpoint.region, f"endpoint/{endpoint.name}/variant/{variant.name}")
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
            # Its instances are of two configurations, and only another update brings them together.
            message = f'Cannot update endpoint "{endpoint.arn}" because its status is {endpoint.status}.'
            raise ApiError("ValidationException", message)
        changes = request["DesiredWeightsAndCapacities"]
        variants = {variant.name: variant for variant in endpoint.variants}
        unknown = [change["VariantName"] for change in changes if change["VariantName"] not in variants]
        if unknown:
            message = f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint '
            message += f'"{endpoint.arn}".'
            raise ApiError("ValidationException", message)
        for change in changes:
            variant = variants[change["VariantName"]]
            variant.weight = change.get("DesiredWeight", variant.weight)
            variant.desired_count = change.get("DesiredInstanceCount", variant.desired_count)
        if endpoint.fleet is not None:
            self._begin(endpoint, "Updating", lifecycle.resize(endpoint, endpoint.fleet))
        return {"EndpointArn": endpoint.arn}

    def _delete(self, region: str, request: Members) -> Members:
        endpoint = self._endpoints[region].get(request["EndpointName"])
        if endpoint.status == "Deleting":
            # Asked again by a client that missed the first answer.
            return {}
        # Terraform's provider takes this refusal for success; the toolkit has to wait before it destroys.
        self._check_idle(endpoint)
        self._begin(endpoint, "Deleting", self._take_down(endpoint))
        return {}

    def _describe(self, region: str, request: Members) -> Members:
        return describe(self._endpoints[region].get(request["EndpointName"]))

    def _list(self, region: str, request: Members) -> Members:
        rows = [summarise(endpoint) for endpoint in self._endpoints[region]]
        answer = page(rows, request, name="EndpointName", default_order="Descending")
        return {**without(answer, "rows"), "Endpoints": answer["rows"]}

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
        site = Site(
            endpoint=endpoint,
            region=region,
            models=self._cloud.directory / "models",
            environment=self._cloud.child_environment(region),
            enforcement=self._enforcement,
            credentials=self.credentials,
            metrics=self._metrics,
        )
        return Fleet(site, configuration_name, variants, configuration.definition, shadows)

    def _check_idle(self, endpoint: Endpoint) -> None:
        if endpoint.status in _IN_PROGRESS:
            raise ApiError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _begin(self, endpoint: Endpoint, status: str, work: Coroutine[Any, Any, None]) -> None:
        endpoint.change(status)
        endpoint.began = endpoint.modified
        endpoint.work = asyncio.create_task(self._run(endpoint, work))

    async def _run(self, endpoint: Endpoint, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 it is logged, and shown to the user
            # A mistake in the cloud itself; the endpoint must not stay in progress for ever.
            _log.exception("endpoint %s", endpoint.name)
            endpoint.change("Failed", f"The embedded cloud failed: {type(error).__name__}: {error}")
            if endpoint.pending is not None:
                await endpoint.pending.stop()
        finally:
            endpoint.pending = None

    async def _take_down(self, endpoint: Endpoint) -> None:
        await lifecycle.take_down(endpoint)
        self._endpoints[endpoint.region].remove(endpoint.name)
        self._tags.forget(endpoint.arn)
        _log.info("endpoint %s is gone", endpoint.name)

    async def _halt(self, endpoint: Endpoint) -> None:
        if endpoint.work is not None:
            endpoint.work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await endpoint.work
        await asyncio.gather(*(fleet.stop() for fleet in endpoint.fleets))


def _retain(fleet: Fleet, endpoint: Endpoint, excluded: list[Members]) -> None:
    """Give the new variants the weights and counts that the old ones of the same names have now."""
    not_kept = {item["VariantPropertyType"] for item in excluded}
    old = {variant.name: variant for variant in endpoint.variants}
    for variant in fleet.variants:
        if variant.name in old:
            if "DesiredWeight" not in not_kept:
                variant.weight = old[variant.name].weight
            if "DesiredInstanceCount" not in not_kept:
                variant.desired_count = old[variant.name].desired_count
