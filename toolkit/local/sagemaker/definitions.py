"""Models and endpoint configurations: what never changes once it is created."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.store import ByRegion, Collection, Members, Resource, Tags, page

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
