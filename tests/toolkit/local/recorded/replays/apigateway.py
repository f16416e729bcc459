"""API Gateway's control plane."""

from __future__ import annotations

import json
from typing import Any

from tests.toolkit.local.apigateway.conftest import integration
from tests.toolkit.local.recorded.lab import ACCOUNT, REGION, Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, ask, members


def imported(**extension: Any) -> Replay:
    def run(lab: Lab) -> str:
        method = integration(lab.gateway)
        method["x-amazon-apigateway-integration"] |= extension
        body = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": method}}}
        return lab.ask(
            "apigateway", "put_rest_api", restApiId=lab.new_api().id, mode="overwrite", body=json.dumps(body)
        )

    return run


def staged(**patch: str) -> Replay:
    def run(lab: Lab) -> str:
        operations = [{"op": "replace", "path": path, "value": value} for path, value in patch.items()]
        return lab.ask(
            "apigateway",
            "update_stage",
            restApiId=lab.api.id,
            stageName=lab.api.stage,
            patchOperations=operations,
        )

    return run


def unfinished(lab: Lab) -> str:
    client, api = lab.client("apigateway"), lab.new_api()
    root = client.get_resources(restApiId=api.id)["items"][0]["id"]
    client.put_method(restApiId=api.id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    return lab.ask("apigateway", "create_deployment", restApiId=api.id)


def same_key(lab: Lab) -> str:
    lab.client("apigateway").create_api_key(name="k", value="x" * 24)
    return lab.ask("apigateway", "create_api_key", name="k", value="x" * 24)


GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:fid"


REPLAYS |= {
    "import: timeoutInMillis 60000 on a buffered integration": imported(timeoutInMillis=60000),
    "import: integration uri is a bare function ARN": imported(
        uri=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    ),
    "import: integration uri is no ARN": imported(uri="nonsense"),
    "create_deployment: a method without integration": unfinished,
    "create_deployment: no methods": lambda lab: lab.ask(
        "apigateway", "create_deployment", restApiId=lab.new_api().id
    ),
    "create_stage twice": lambda lab: lab.ask(
        *("apigateway", "create_stage"),
        restApiId=lab.api.id,
        stageName=lab.api.stage,
        deploymentId=lab.api.deployments[0],
    ),
    "delete an active deployment": lambda lab: lab.ask(
        "apigateway", "delete_deployment", restApiId=lab.api.id, deploymentId=lab.api.deployments[0]
    ),
    "access log format without requestId": staged(
        **{"/accessLogSettings/format": "$context.status", "/accessLogSettings/destinationArn": GROUP}
    ),
    "execution logging without an account-wide CloudWatch role": staged(**{"/*/*/logging/loglevel": "INFO"}),
    "api key of 5 characters": ask("apigateway", "create_api_key", name="k", value="short"),
    "the same api key value again": same_key,
    "usage plan for a stage that is not there": lambda lab: lab.ask(
        "apigateway", "create_usage_plan", name="p", apiStages=[{"apiId": lab.api.id, "stage": "nope"}]
    ),
    "CreateApiKey: members": members("apigateway", "create_api_key", name="k", enabled=True),
    "get_rest_api unknown": ask("apigateway", "get_rest_api", restApiId="nope"),
    "delete_rest_api unknown": ask("apigateway", "delete_rest_api", restApiId="nope"),
    "get_stage unknown": lambda lab: lab.ask(
        "apigateway", "get_stage", restApiId=lab.api.id, stageName="nope"
    ),
    "get_api_key unknown": ask("apigateway", "get_api_key", apiKey="nope"),
    "get_usage_plan unknown": ask("apigateway", "get_usage_plan", usagePlanId="nope"),
}


def patched(path: str, value: str = "wrong") -> Replay:
    patch = {"op": "replace", "path": path, "value": value}
    return lambda lab: lab.ask(
        "apigateway", "update_rest_api", restApiId=lab.new_api().id, patchOperations=[patch]
    )


REPLAYS |= {
    "create_rest_api: empty description": ask("apigateway", "create_rest_api", name="x", description=""),
    "create_rest_api: two endpoint types": ask(
        "apigateway", "create_rest_api", name="x", endpointConfiguration={"types": ["REGIONAL", "EDGE"]}
    ),
    "create_rest_api: unknown endpoint type": ask(
        "apigateway", "create_rest_api", name="x", endpointConfiguration={"types": ["wrong"]}
    ),
    "update_rest_api unknown": ask("apigateway", "update_rest_api", restApiId="nope", patchOperations=[]),
    "update_rest_api: unknown patch operation": lambda lab: lab.ask(
        "apigateway",
        "update_rest_api",
        restApiId=lab.api.id,
        patchOperations=[{"op": "wrong", "path": "/name"}],
    ),
    "put_rest_api: neither JSON nor YAML of an API": lambda lab: lab.ask(
        "apigateway", "put_rest_api", restApiId=lab.new_api().id, body=b"nonsense"
    ),
    "api key of 129 characters": ask("apigateway", "create_api_key", name="k", value="x" * 129),
    "api key with a name of 1025 characters": ask("apigateway", "create_api_key", name="x" * 1025),
    "update_usage_plan unknown": ask(
        "apigateway", "update_usage_plan", usagePlanId="nope", patchOperations=[]
    ),
    "create_rest_api: private with ipv4": ask(
        "apigateway",
        "create_rest_api",
        name="x",
        endpointConfiguration={"types": ["PRIVATE"], "ipAddressType": "ipv4"},
    ),
    "update_rest_api: unknown address type": patched("/endpointConfiguration/ipAddressType"),
    "update_rest_api: unknown endpoint type": patched("/endpointConfiguration/types/REGIONAL"),
    "update_rest_api: compression of negative size": patched("/minimumCompressionSize", "-1"),
}
