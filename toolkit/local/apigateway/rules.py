"""Rules of API Gateway that moto lacks, with AWS's messages.

As LocalStack recorded them on AWS (localstack/localstack, `tests/aws/services/apigateway/*.snapshot.json`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final

from moto.apigateway.exceptions import (
    BadRequestException,
    DeploymentNotFoundException,
    NoIntegrationDefined,
    NotFoundException,
    RestAPINotFound,
    StageNotFoundException,
)
from moto.apigateway.models import APIGatewayBackend, ApiKey, Deployment, RestAPI, Stage, UsagePlan

from toolkit.local.apigateway.openapi import ANY, INTEGRATION, METHODS

_ARN: Final = re.compile(r"arn:aws[\w-]*:.*")
_INTEGRATION_ARN: Final = re.compile(r"arn:aws[\w-]*:apigateway:[\w-]+:[\w.-]+:(path|action)/.*")
# Bounds of an integration's timeout in milliseconds, by whether the response is streamed.
_TIMEOUTS: Final = {False: (50, 29_000), True: (50, 900_000)}
_MAX_KEY, _MAX_KEY_NAME = 128, 1024
_LOG_LEVEL: Final = re.compile(r"/.+/logging/loglevel")


def extend() -> None:
    """Extend moto in this process."""
    _check_new_resources()
    _name_unknown_apis()
    _keep_active_deployments()
    _check_stages()
    _check_usage_plans()


class _NotFoundError(NotFoundException):
    code = 404


def _check_new_resources() -> None:
    create_rest_api, create_api_key = APIGatewayBackend.create_rest_api, APIGatewayBackend.create_api_key
    create_plan_key = APIGatewayBackend.create_usage_plan_key

    def api(self: APIGatewayBackend, name: str, description: str, *args: Any, **kwargs: Any) -> RestAPI:
        if description == "":
            raise BadRequestException("Description cannot be an empty string")
        if len((kwargs.get("endpoint_configuration") or {}).get("types", [])) > 1:
            raise BadRequestException("Cannot create an api with multiple Endpoint Types.")
        return create_rest_api(self, name, description, *args, **kwargs)

    def key(self: APIGatewayBackend, payload: dict[str, Any]) -> ApiKey:
        if len(payload.get("name") or "") > _MAX_KEY_NAME:
            raise BadRequestException(f"Invalid API Key name, can be at most {_MAX_KEY_NAME} characters.")
        if len(payload.get("value") or "") > _MAX_KEY:
            raise BadRequestException(f"API Key value exceeds maximum size of {_MAX_KEY} characters")
        return create_api_key(self, payload)

    def plan_key(self: APIGatewayBackend, usage_plan_id: str, payload: dict[str, Any]) -> Any:
        self.get_usage_plan(usage_plan_id)
        return create_plan_key(self, usage_plan_id, payload)

    APIGatewayBackend.create_rest_api = api  # type: ignore[method-assign]
    APIGatewayBackend.create_api_key = key  # type: ignore[method-assign]
    APIGatewayBackend.create_usage_plan_key = plan_key  # type: ignore[method-assign]


def _name_unknown_apis() -> None:
    get_rest_api, get_stage = APIGatewayBackend.get_rest_api, APIGatewayBackend.get_stage
    delete_rest_api, update_rest_api = APIGatewayBackend.delete_rest_api, APIGatewayBackend.update_rest_api

    def get(self: APIGatewayBackend, function_id: str) -> RestAPI:
        try:
            return get_rest_api(self, function_id)
        except RestAPINotFound as error:
            message = f"Invalid API identifier specified {self.account_id}:{function_id}"
            raise _NotFoundError(message) from error

    def stage(self: APIGatewayBackend, function_id: str, stage_name: str) -> Stage:
        try:
            return get_stage(self, function_id, stage_name)
        except NotFoundException as error:
            raise StageNotFoundException from error

    def first_get(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def checked(self: APIGatewayBackend, function_id: str, *args: Any, **kwargs: Any) -> Any:
            self.get_rest_api(function_id)
            return original(self, function_id, *args, **kwargs)

        return checked

    APIGatewayBackend.get_rest_api = get  # type: ignore[method-assign]
    APIGatewayBackend.get_stage = stage  # type: ignore[method-assign]
    APIGatewayBackend.delete_rest_api = first_get(delete_rest_api)  # type: ignore[method-assign]
    APIGatewayBackend.update_rest_api = first_get(update_rest_api)  # type: ignore[method-assign]


def _keep_active_deployments() -> None:
    create_deployment = APIGatewayBackend.create_deployment
    get_deployment, delete_deployment = APIGatewayBackend.get_deployment, APIGatewayBackend.delete_deployment
    create_stage = APIGatewayBackend.create_stage

    def create(self: APIGatewayBackend, function_id: str, *args: Any, **kwargs: Any) -> Deployment:
        resources = self.get_resources(function_id)
        methods = [method for resource in resources for method in resource.resource_methods.values()]
        if methods and not all(method.method_integration for method in methods):
            raise BadRequestException(NoIntegrationDefined().message)
        return create_deployment(self, function_id, *args, **kwargs)

    def get(self: APIGatewayBackend, function_id: str, deployment_id: str) -> Deployment:
        if deployment_id not in self.get_rest_api(function_id).deployments:
            raise _NotFoundError(DeploymentNotFoundException().message)
        return get_deployment(self, function_id, deployment_id)

    def stage(
        self: APIGatewayBackend, function_id: str, stage_name: str, deployment_id: str, **kwargs: Any
    ) -> Stage:
        if deployment_id not in self.get_rest_api(function_id).deployments:
            raise BadRequestException("Deployment id does not exist")
        return create_stage(self, function_id, stage_name, deployment_id, **kwargs)

    def delete(self: APIGatewayBackend, function_id: str, deployment_id: str) -> Deployment:
        self.get_deployment(function_id, deployment_id)
        stages = self.get_rest_api(function_id).stages.values()
        if any(stage.deployment_id == deployment_id for stage in stages):
            message = "Active stages pointing to this deployment must be moved or deleted"
            raise BadRequestException(message)
        return delete_deployment(self, function_id, deployment_id)

    APIGatewayBackend.create_deployment = create  # type: ignore[method-assign]
    APIGatewayBackend.get_deployment = get  # type: ignore[method-assign]
    APIGatewayBackend.create_stage = stage  # type: ignore[method-assign,assignment]
    APIGatewayBackend.delete_deployment = delete  # type: ignore[method-assign]


def _check_stages() -> None:
    update_stage = APIGatewayBackend.update_stage

    def update(self: APIGatewayBackend, function_id: str, stage_name: str, patch_operations: Any) -> Stage:
        self.get_stage(function_id, stage_name)
        added = {
            patch["path"]: patch.get("value", "") for patch in patch_operations if patch["op"] != "remove"
        }
        template = added.get("/accessLogSettings/format")
        if template is not None and not re.search(r"\$context\.(extendedR|r)equestId\b", template):
            message = "AccessLogSettings Format must include $context.requestId or $context.extendedRequestId"
            raise BadRequestException(message)
        levels = {value for path, value in added.items() if _LOG_LEVEL.fullmatch(path)}
        logs = levels - {"OFF"} or "/accessLogSettings/destinationArn" in added
        if logs and not self.account.cloudwatch_role_arn:
            message = "CloudWatch Logs role ARN must be set in account settings to enable logging"
            raise BadRequestException(message)
        deployment = added.get("/deploymentId")
        if deployment is not None and deployment not in self.get_rest_api(function_id).deployments:
            raise BadRequestException("Deployment id does not exist")
        return update_stage(self, function_id, stage_name, patch_operations)

    APIGatewayBackend.update_stage = update  # type: ignore[method-assign]


def _check_usage_plans() -> None:
    create_plan, update_plan = APIGatewayBackend.create_usage_plan, APIGatewayBackend.update_usage_plan
    delete_plan = APIGatewayBackend.delete_usage_plan

    def create(self: APIGatewayBackend, payload: Mapping[str, Any]) -> UsagePlan:
        stages = payload.get("apiStages") or []
        _check_api_stages(self, [(stage.get("apiId"), stage.get("stage")) for stage in stages], "null")
        return create_plan(self, payload)

    def update(self: APIGatewayBackend, usage_plan_id: str, patch_operations: Any) -> UsagePlan:
        added = [
            patch.get("value") or ""
            for patch in patch_operations
            if patch["path"] == "/apiStages" and patch["op"] != "remove"
        ]
        if not all(":" in value for value in added):
            raise BadRequestException("Invalid API Stage specified")
        _check_api_stages(self, [tuple(value.split(":", 1)) for value in added], usage_plan_id)
        return update_plan(self, usage_plan_id, patch_operations)

    def delete(self: APIGatewayBackend, usage_plan_id: str) -> None:
        self.get_usage_plan(usage_plan_id)
        delete_plan(self, usage_plan_id)

    APIGatewayBackend.delete_usage_plan = delete  # type: ignore[method-assign]
    APIGatewayBackend.create_usage_plan = create  # type: ignore[method-assign]
    APIGatewayBackend.update_usage_plan = update  # type: ignore[method-assign]


def _check_api_stages(backend: APIGatewayBackend, stages: Iterable[tuple[Any, ...]], plan: str) -> None:
    for api_id, stage in stages:
        api = backend.apis.get(api_id)
        if api is None or stage not in api.stages:
            message = f"Invalid API Stage {{api: {api_id}, stage: {stage}}} specified for usageplan {plan}"
            raise _NotFoundError(message)


def check_import(document: Mapping[str, Any]) -> None:
    """Check the integrations of an OpenAPI document before it is imported.

    Raises:
        BadRequestException: API Gateway refuses one.
    """
    if not isinstance(document, Mapping) or not {"openapi", "swagger"} & set(document):
        raise BadRequestException("Invalid OpenAPI input.")
    for path, operations in document.get("paths", {}).items():
        for name, operation in operations.items():
            integration = operation.get(INTEGRATION) if name in METHODS or name == ANY else None
            error = _integration_error(integration) if isinstance(integration, dict) else None
            if error is not None:
                where = f"'{'ANY' if name == ANY else name.upper()}' for resource at path '{path}'"
                message = f"Errors found during import:\n\tUnable to put integration on {where}: {error}"
                raise BadRequestException(message)


def _integration_error(integration: Mapping[str, Any]) -> str | None:
    streams = str(integration.get("responseTransferMode", "")).upper() == "STREAM"
    low, high = _TIMEOUTS[streams]
    if not low <= int(integration.get("timeoutInMillis", high)) <= high:
        return f"Timeout should be between {low} ms and {high} ms"
    uri = str(integration.get("uri", ""))
    if str(integration.get("type", "")).lower() not in ("aws", "aws_proxy"):
        return None
    if not _ARN.fullmatch(uri):
        return "Invalid ARN specified in the request"
    return None if _INTEGRATION_ARN.fullmatch(uri) else "AWS ARN for integration must contain path or action"
