"""Requests to deployed APIs."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.patience import HANG_SECONDS
from tests.toolkit.local.apigateway.conftest import integration
from tests.toolkit.local.recorded.lab import Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, of_gateway, replay

TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"
ENCODED = (
    "/echo/api?dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@gmail.com&plus=test+alias@gmail.com"
    "&url=https://www.google.com/&whitespace=foo%20bar&zhash=abort/%23"
)
EMAIL = "/proxy-value/api/user/test%2Balias@gmail.com/plus/test+alias@gmail.com"
MULTI = "/proxy-value?category=electronics&category=books&price=10&price=20&price=30"
SENT = {"user-agent": "test", "tEsT-HEADeR": "aValUE", "authorization": "random-value"}


def context_keys(lab: Lab) -> dict[str, Any]:
    context = lab.event("/echo", headers=SENT)["requestContext"]
    return {**dict.fromkeys(context), "identity": sorted(context["identity"])}


def proxied(document: Any, *headers: str) -> Replay:
    """Status, body, and some headers of the response to what the function returns."""

    def run(lab: Lab) -> list[Any]:
        response = lab.responded(document)
        body = response.json() if response.status_code >= 400 else response.text
        sent = [{name: response.headers.get(name) for name in headers}] if headers else []
        return [response.status_code, body, *sent]

    return run


NAMES = (
    "event header names keep the client's case "
    "(tEsT-HEADeR; Authorization, Host, User-Agent, Accept canonical)"
)
EVENT = "event.{} / invocation-payload-with-params-encoding"


REPLAYS |= {
    NAMES: lambda lab: sorted(lab.event("/echo", headers=SENT)["headers"]),
    "event.requestContext keys (and identity's)": context_keys,
    "event top-level keys": lambda lab: sorted(lab.event("/echo")),
    EVENT.format("path"): lambda lab: lab.event(ENCODED)["path"].replace("echo", "proxy-value"),
    EVENT.format("queryStringParameters"): lambda lab: lab.event(ENCODED)["queryStringParameters"],
    EVENT.format("requestContext.path+resourcePath"): lambda lab: [
        lab.event(ENCODED)["requestContext"]["path"].replace("/live/echo", "/stage/proxy-value"),
        lab.event(ENCODED)["requestContext"]["resourcePath"],
    ],
    EVENT.format("queryStringParameters") + "-multi": lambda lab: lab.event(MULTI)["queryStringParameters"],
    EVENT.format("multiValueQueryStringParameters") + "-multi": (
        lambda lab: lab.event(MULTI)["multiValueQueryStringParameters"]
    ),
    "response headers of AWS_PROXY (x-amzn-requestid, x-amz-apigw-id, x-amzn-trace-id, content-type…)": (
        lambda lab: sorted(lab.api_request("/x").headers)
    ),
    "a sent x-amzn-trace-id comes back in the answer's header": (
        lambda lab: lab.api_request("/x", headers={"x-amzn-trace-id": TRACE}).headers.get(
            "x-amzn-trace-id", ""
        )
    ),
    "proxy answer: invoke-api-no-body": proxied({"statusCode": 200}),
    "proxy answer: invoke-api-with-headers": proxied(
        {"statusCode": 200, "headers": {"test-header": "value", "header-bool": True}},
        *("content-type", "header-bool", "test-header"),
    ),
    "proxy answer: invoke-api-with-headers-null": proxied(
        {"statusCode": 200, "headers": None}, "content-type"
    ),
    "proxy answer: invoke-api-wrong-format": proxied({"statusCode": 200, "wrongValue": "value"}),
    "proxy answer: invoke-api-b64-encoded-false": proxied({"statusCode": 200, "body": "dGVzdC1kYXRh"}),
    "proxy answer: invoke-api-multi-headers-valid": proxied(
        {"statusCode": 200, "multiValueHeaders": {"test-multi": ["value1", "value2"]}}, "test-multi"
    ),
    "proxy answer: invoke-api-multi-headers-invalid": proxied(
        {"statusCode": 200, "multiValueHeaders": {"test-multi-invalid": "value1"}}
    ),
    "proxy answer: invoke-api-invalid-status-code": proxied({"statusCode": "test"}),
    "proxy answer: invoke-api-status-code-str": proxied({"statusCode": "201"}),
    "proxy answer: invoke-api-just-string": proxied("justAString"),
    "proxy answer: invoke-api-only-headers": proxied({"headers": {"test-header": "value"}}),
    "proxy answer: function raised": lambda lab: [
        lab.api_request("/raise").status_code,
        lab.api_request("/raise").json(),
    ],
    "AWS_PROXY with integration httpMethod GET": lambda lab: [
        lab.api_request("/by-get").status_code,
        lab.api_request("/by-get").json(),
    ],
    "bad api key": lambda lab: of_gateway(lab.api_request("/keyed", headers={"x-api-key": "x" * 20})),
    "function error": lambda lab: of_gateway(lab.api_request("/raise")),
    "integration timeout": lambda lab: of_gateway(lab.api_request("/slow")),
    "unknown API": lambda lab: unknown(lab, "nosuchapi1/live").replace("403", "403 Forbidden"),
    "unknown stage": lambda lab: unknown(lab, f"{lab.api.id}/nosuchstage"),
    "authorizer raises": lambda lab: of_gateway(
        lab.api_request("/bearer", headers={"authorization": "raise"})
    )[:3],
    "authorizer denies": lambda lab: of_gateway(
        lab.api_request("/bearer", headers={"authorization": "deny"})
    )[:3],
    "no token": lambda lab: of_gateway(lab.api_request("/bearer"))[:3],
}


def unknown(lab: Lab, path: str) -> str:
    response = httpx.get(f"{lab.cloud.endpoint_url}/_aws/execute-api/{path}/x", timeout=HANG_SECONDS)
    body = response.text.replace('"', "'")
    return f"{response.status_code} {body}"


@replay("known path, other method: 403 Missing Authentication Token")
def other_method(lab: Lab) -> list[Any]:
    api = lab.new_api()
    api.put({"paths": {"/get-only": {"get": integration(lab.gateway)}}})
    api.deploy()
    response = api.post("/get-only")
    return [response.status_code, response.text]


@replay("throttled by usage plan")
def throttled(lab: Lab) -> list[Any]:
    client = lab.api.client
    stage = {"apiId": lab.api.id, "stage": lab.api.stage}
    plan = client.create_usage_plan(
        name="p", apiStages=[stage], throttle={"burstLimit": 1, "rateLimit": 0.0001}
    )
    key = client.create_api_key(name="k", enabled=True)
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    responses = [lab.api_request("/keyed", headers={"x-api-key": key["value"]}) for _ in range(3)]
    return of_gateway(responses[-1])[:3]


@replay("body over 10 MB")
def too_large(lab: Lab) -> str:
    response = lab.api_request("/x", "POST", content=b"x" * (10 * 1024 * 1024 + 1))
    return f"{response.status_code} {response.text}"


def prepended(lab: Lab) -> list[str]:
    event = lab.event("//proxy-value")
    return [event["path"], event["requestContext"]["path"].replace("/live", "/stage")]


REPLAYS |= {
    "proxy answer: invoke-api-multi-headers-overwrite": proxied(
        {"multiValueHeaders": {"test-multi": ["value-multi"]}, "headers": {"test-multi": "value-solo"}},
        "test-multi",
    ),
    "event.path / invocation-payload-with-path-encoded-email": lambda lab: lab.event(EMAIL)["path"],
    "event.pathParameters / invocation-payload-with-path-encoded-email": lambda lab: lab.event(EMAIL)[
        "pathParameters"
    ],
    "event.pathParameters / invocation-payload-with-trailing-slash": lambda lab: lab.event("/proxy-value/")[
        "pathParameters"
    ],
    "event.path / invocation-payload-with-prepended-slash": prepended,
}
