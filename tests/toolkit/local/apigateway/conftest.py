from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.cloudprocess import CloudProcess, running
from tests.support.patience import HANG_SECONDS

LAMBDA = "arn:aws:apigateway:us-east-1:lambda:path"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("cloud")) as process:
        yield process


@dataclass
class Api:
    """A REST API, imported from an OpenAPI document with boto3."""

    cloud: CloudProcess
    id: str
    stage: str = "live"
    deployments: list[str] = field(default_factory=list)

    @property
    def client(self) -> Any:
        return self.cloud.client("apigateway")

    @property
    def url(self) -> str:
        return f"{self.cloud.endpoint_url}/_aws/execute-api/{self.id}/{self.stage}"

    def put(self, document: dict[str, Any], mode: str = "overwrite") -> None:
        """Import a document, to be deployed."""
        body = json.dumps({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, **document})
        self.client.put_rest_api(restApiId=self.id, mode=mode, body=body)

    def deploy(self) -> None:
        """Deploy the current document."""
        deployment = self.client.create_deployment(restApiId=self.id)["id"]
        if self.deployments:
            operation = {"op": "replace", "path": "/deploymentId", "value": deployment}
            self.client.update_stage(restApiId=self.id, stageName=self.stage, patchOperations=[operation])
        else:
            self.client.create_stage(restApiId=self.id, stageName=self.stage, deploymentId=deployment)
        self.deployments.append(deployment)

    def key(self, *, enabled: bool = True, in_plan: bool = True) -> tuple[str, str]:
        """A new API key in a new usage plan: id and value."""
        key = self.client.create_api_key(name="k", enabled=enabled)
        if in_plan:
            stages = [{"apiId": self.id, "stage": self.stage}]
            plan = self.client.create_usage_plan(name="p", apiStages=stages)["id"]
            self.client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        value = self.client.get_api_key(apiKey=key["id"], includeValue=True)["value"]
        return key["id"], value

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=HANG_SECONDS, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=HANG_SECONDS, **options)


@pytest.fixture
def api(cloud: CloudProcess) -> Api:
    """An empty API: no document is imported yet."""
    return Api(cloud, cloud.client("apigateway").create_rest_api(name="test")["id"])


@pytest.fixture
def function(cloud: CloudProcess) -> Any:
    """Creates functions that API Gateway may invoke; returns their ARNs."""

    def make(code: str | bytes, *, permitted: bool = True, **settings: Any) -> str:
        name = f"f-{next(_numbers)}"
        files = code if isinstance(code, bytes) else {"app.py": code}
        arn = cloud.create_function(name, files, **settings)
        if permitted:
            cloud.functions.add_permission(
                FunctionName=name,
                StatementId="s",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
            )
        return arn

    return make


def integration(arn: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """An operation with a Lambda integration."""
    path = (
        f"2021-11-15/functions/{arn}/response-streaming-invocations"
        if stream
        else f"2015-03-31/functions/{arn}/invocations"
    )
    extension = {"type": "aws_proxy", "httpMethod": "POST", "uri": f"{LAMBDA}/{path}", **more}
    if stream:
        extension["responseTransferMode"] = "STREAM"
    return {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": extension}


@pytest.fixture
def operation() -> Any:
    return integration


@pytest.fixture
def security() -> Any:
    """Security schemes `bearer` (a Lambda authorizer) and `key`."""

    def make(authorizer: str, **more: Any) -> dict[str, Any]:
        uri = f"{LAMBDA}/2015-03-31/functions/{authorizer}/invocations"
        extension = {"type": "token", "authorizerUri": uri, "authorizerResultTtlInSeconds": 300, **more}
        bearer = {"type": "apiKey", "name": "Authorization", "in": "header"}
        bearer |= {"x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": extension}  # type: ignore[dict-item]
        key = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        return {"components": {"securitySchemes": {"bearer": bearer, "key": key}}}

    return make
