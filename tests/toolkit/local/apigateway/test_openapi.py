from __future__ import annotations

from typing import Any

import pytest

from toolkit.local.apigateway.openapi import ANY, Definition


def api(*paths: str, **more: Any) -> Definition:
    methods: dict[str, Any] = {}
    for entry in paths:
        method, path = entry.split(" ")
        methods.setdefault(path, {})[ANY if method == "ANY" else method.lower()] = {}
    return Definition({"openapi": "3.0.1", "paths": methods, **more})


@pytest.mark.parametrize(
    ("request_line", "resource", "parameters"),
    [
        ("GET /v1/models", "/v1/models", {}),
        ("GET /v1/models/a.b-c", "/v1/models/{model}", {"model": "a.b-c"}),
        ("GET /v1/models/org%2Fname", "/v1/models/{model}", {"model": "org%2Fname"}),
        ("GET /v1/models/special", "/v1/models/special", {}),
        ("GET /v1/models/a/b", "/v1/{proxy+}", {"proxy": "models/a/b"}),
        ("POST /v1/models", "/v1/{proxy+}", {"proxy": "models"}),
    ],
)
def test_the_most_literal_path_wins(request_line: str, resource: str, parameters: dict[str, str]) -> None:
    definition = api(
        "ANY /v1/{proxy+}",
        "GET /v1/models/{model}",
        "GET /v1/models/special",
        "GET /v1/models",
    )
    match = definition.find(*request_line.split(" "))
    assert match is not None
    assert (match[0].resource, match[1]) == (resource, parameters)


@pytest.mark.parametrize(
    "request_line", ["GET /", "GET /v1", "GET /v1/models/", "GET /v1/models/a/b", "PUT /v1/models"]
)
def test_unknown_paths_and_methods(request_line: str) -> None:
    assert api("GET /v1/models", "GET /v1/models/{model}").find(*request_line.split(" ")) is None


def test_security_of_the_document_and_of_an_operation() -> None:
    schemes = {
        "bearer": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token",
                "authorizerUri": "arn:x",
                "authorizerResultTtlInSeconds": 7,
                "identityValidationExpression": "^x$",
            },
        },
        "key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
    }
    definition = Definition(
        {
            "components": {"securitySchemes": schemes},
            "security": [{"bearer": [], "key": []}],
            "paths": {
                "/a": {"get": {}},
                "/b": {"get": {"security": []}},
                "/c": {"get": {"security": [{"key": []}]}},
            },
        }
    )
    methods = {method.resource: method for method in definition.methods}
    authorizer = methods["/a"].authorizer
    assert authorizer is not None
    assert (authorizer.uri, authorizer.ttl_seconds) == ("arn:x", 7)
    assert authorizer.identity_sources == ("method.request.header.Authorization",)
    assert methods["/a"].needs_api_key
    assert (methods["/b"].authorizer, methods["/b"].needs_api_key) == (None, False)
    assert (methods["/c"].authorizer, methods["/c"].needs_api_key) == (None, True)


def test_integrations() -> None:
    def integration(**extension: Any) -> Any:
        operation = {"x-amazon-apigateway-integration": {"type": "AWS_PROXY", "uri": "u", **extension}}
        return Definition({"paths": {"/": {"post": operation}}}).methods[0].integration

    assert (integration().streams, integration().timeout_seconds) == (False, 29)
    streamed = integration(responseTransferMode="STREAM", timeoutInMillis=900_000)
    assert (streamed.kind, streamed.streams, streamed.timeout_seconds) == ("aws_proxy", True, 900)
