"""The API: what API Gateway is given of the contract, and what surrounds it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate
from ruamel.yaml import YAML

from tests.support.checkout import ROOT
from tests.support.terraform import Planned, Rig, show

pytestmark = pytest.mark.slow

MODULES = """
variable "packages" {
  type = object({ gateway = string, authorizer = string })
}

provider "aws" {
  region = "us-east-1"
}

module "basic" {
  source   = "../../modules/inference_api/examples/basic"
  packages = var.packages
}

module "complete" {
  source   = "../../modules/inference_api/examples/complete"
  packages = var.packages
}

module "inside" {
  source     = "../../modules/inference_api"
  name       = "inside"
  region     = "us-east-1"
  account_id = "123456789012"
  models     = {}
  gateway    = { package = var.packages.gateway }
  authorizer = { package = var.packages.authorizer }
  auth       = "iam"
  access_log = false
  waf        = { managed_rules = ["AWSManagedRulesSQLiRuleSet"] }
  private    = { vpc_endpoint_ids = ["vpce-0a"] }
  cors       = { allow_origins = ["https://a.example", "https://b.example"] }
}
"""
BASIC, COMPLETE, INSIDE = "module.basic.module.api", "module.complete.module.api", "module.inside"
GATEWAY = "aws_lambda_function.gateway[0]"


@pytest.fixture(scope="module")
def planned(rig: Rig, packages: dict[str, str]) -> Planned:
    """One plan of everything: most of a run's time is the provider's start."""
    return show(rig.workspace(rig.root("api", MODULES), {"packages": packages}))


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """The contract, as it is published."""
    file = ROOT / "terraform" / "modules" / "inference_api" / "openapi.yaml"
    return dict(YAML(typ="safe").load(file.read_text()))


def document(planned: Planned, module: str) -> dict[str, Any]:
    """The OpenAPI document that API Gateway is given."""
    openapi = json.loads(planned.values(f"{module}.aws_api_gateway_rest_api.this[0]")["body"])
    validate(openapi)
    return dict(openapi)


def operations(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def variables(planned: Planned, module: str) -> dict[str, str]:
    return dict(planned.values(f"{module}.{GATEWAY}")["environment"][0]["variables"])


def test_what_is_deployed_is_the_contract(planned: Planned, contract: dict[str, Any]) -> None:
    deployed, promised = operations(document(planned, BASIC)), operations(contract)
    assert deployed.keys() == promised.keys() and len(deployed) == 6
    for name, operation in promised.items():
        for member in ("operationId", "summary"):
            assert deployed[name][member] == operation[member]
        assert deployed[name]["responses"].keys() == operation["responses"].keys()
        assert all(response["description"] for response in deployed[name]["responses"].values())
        assert [each["name"] for each in deployed[name].get("parameters", [])] == [
            each["name"] for each in operation.get("parameters", [])
        ]
        assert ("requestBody" in deployed[name]) == ("requestBody" in operation)


def test_every_operation_streams_and_all_but_one_want_a_key(planned: Planned) -> None:
    openapi = document(planned, BASIC)
    function = "arn:aws:lambda:us-east-1:123456789012:function:example-dev-gateway"
    for name, operation in operations(openapi).items():
        assert operation["security"] == ([] if name == "GET /healthz" else [{"authorizer": [], "key": []}])
        assert operation["x-amazon-apigateway-integration"] == {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/"
            f"{function}/response-streaming-invocations",
            "responseTransferMode": "STREAM",
            "timeoutInMillis": 900_000,
        }
    assert openapi["x-amazon-apigateway-api-key-source"] == "AUTHORIZER"


def test_a_key_in_either_header_or_in_one_with_answers_kept(planned: Planned) -> None:
    """API Gateway wants every identity source in a request, so two headers cannot both be sources."""

    def authorizer(module: str) -> dict[str, Any]:
        schemes = document(planned, module)["components"]["securitySchemes"]
        return dict(schemes["authorizer"]["x-amazon-apigateway-authorizer"])

    uri = authorizer(BASIC).pop("authorizerUri")
    assert uri.endswith(":function:example-dev-authorizer/invocations")
    assert authorizer(BASIC) == {"type": "request", "authorizerUri": uri, "authorizerResultTtlInSeconds": 0}
    one = authorizer(COMPLETE)
    assert (one["identitySource"], one["authorizerResultTtlInSeconds"]) == (
        "method.request.header.authorization",
        300,
    )
    # It must not look at the other header then.
    headers = [
        planned.values(f"{module}.aws_lambda_function.authorizer[0]")["environment"][0]["variables"][
            "KEY_HEADERS"
        ]
        for module in (BASIC, COMPLETE)
    ]
    assert headers == ["x-api-key,authorization", "authorization"]


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [
        ("UNAUTHORIZED", "401", "invalid_api_key"),
        ("INVALID_API_KEY", "401", "invalid_api_key"),
        ("ACCESS_DENIED", "403", "access_denied"),
        ("WAF_FILTERED", "403", "access_denied"),
        ("MISSING_AUTHENTICATION_TOKEN", "404", "unknown_url"),
        ("REQUEST_TOO_LARGE", "413", "request_too_large"),
        ("THROTTLED", "429", "rate_limit_exceeded"),
        ("QUOTA_EXCEEDED", "429", "insufficient_quota"),
        ("INTEGRATION_TIMEOUT", "504", "timeout"),
        ("DEFAULT_4XX", None, None),
        ("DEFAULT_5XX", None, None),
    ],
)
def test_refusals_look_like_openais(
    planned: Planned, response: str, status: str | None, code: str | None
) -> None:
    gateway_response = document(planned, BASIC)["x-amazon-apigateway-gateway-responses"][response]
    assert gateway_response.get("statusCode") == status
    body = json.loads(gateway_response["responseTemplates"]["application/json"])
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["code"] == code and body["error"]["message"]


def test_a_status_that_api_gateway_gives_is_in_the_contract(
    planned: Planned, contract: dict[str, Any]
) -> None:
    given = {
        each["statusCode"]
        for each in document(planned, BASIC)["x-amazon-apigateway-gateway-responses"].values()
        if "statusCode" in each
    }
    assert given <= set(operations(contract)["POST /v1/chat/completions"]["responses"])


def test_usage_plans(planned: Planned) -> None:
    def plan(name: str) -> dict[str, Any]:
        return planned.values(f'{COMPLETE}.aws_api_gateway_usage_plan.this["{name}"]')

    throttles = {name: plan(name)["throttle_settings"][0] for name in ("default", "search", "trial")}
    assert throttles == {
        "default": {"rate_limit": 100, "burst_limit": 200},
        "search": {"rate_limit": 20, "burst_limit": 40},
        "trial": {"rate_limit": 1, "burst_limit": 5},
    }
    assert [plan(name)["name"] for name in throttles] == [
        "example-prod",
        "example-prod-search",
        "example-prod-trial",
    ]
    (quota,) = plan("trial")["quota_settings"]
    assert (quota["limit"], quota["period"]) == (1000, "DAY")
    assert plan("search")["quota_settings"] == []
    # Only what is limited is told to the gateway.
    assert json.loads(variables(planned, COMPLETE)["GATEWAY_KEY_MODELS"]) == {"website": ["bge"]}
    assert "GATEWAY_KEY_MODELS" not in variables(planned, BASIC)


def test_pages_of_other_origins(planned: Planned) -> None:
    assert not [name for name in operations(document(planned, BASIC)) if name.startswith("OPTIONS")]
    openapi = document(planned, COMPLETE)
    for path in openapi["paths"]:
        # A browser sends no key with it.
        assert openapi["paths"][path]["options"]["security"] == []
    assert json.loads(variables(planned, COMPLETE)["GATEWAY_CORS_ORIGINS"]) == ["https://chat.example.com"]
    responses = openapi["x-amazon-apigateway-gateway-responses"]
    allowed = "gatewayresponse.header.Access-Control-Allow-Origin"
    assert {each["responseParameters"][allowed] for each in responses.values()} == {
        "'https://chat.example.com'"
    }
    assert responses["THROTTLED"]["responseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"
    several = document(planned, INSIDE)["x-amazon-apigateway-gateway-responses"]
    assert several["UNAUTHORIZED"]["responseParameters"][allowed] == "'*'"


def test_a_domain_of_ones_own(planned: Planned) -> None:
    domain = planned.values(f"{COMPLETE}.aws_api_gateway_domain_name.this[0]")
    assert (domain["domain_name"], domain["security_policy"]) == ("llm.example.com", "TLS_1_2")
    assert planned.values(f"{COMPLETE}.aws_api_gateway_base_path_mapping.this[0]")["base_path"] == "prod"
    assert planned.values(f"{COMPLETE}.aws_route53_record.domain[0]")["type"] == "A"
    # The function is called with the whole path.
    assert variables(planned, COMPLETE)["AWS_LWA_REMOVE_BASE_PATH"] == "/prod"


def test_a_firewall_lets_prompts_through(planned: Planned) -> None:
    acl = planned.values(f"{COMPLETE}.aws_wafv2_web_acl.this[0]")
    rules = {rule["name"]: rule for rule in acl["rule"]}
    assert next(iter(rules)) == "rate-per-address" and len(rules) == 4
    assert rules["rate-per-address"]["statement"][0]["rate_based_statement"][0]["limit"] == 1000
    group = rules["AWSManagedRulesCommonRuleSet"]["statement"][0]["managed_rule_group_statement"][0]
    counted = {each["name"] for each in group["rule_action_override"]}
    assert {"SizeRestrictions_BODY", "CrossSiteScripting_BODY"} <= counted
    # Without a rate there is no rule for it.
    inside = planned.values(f"{INSIDE}.aws_wafv2_web_acl.this[0]")
    assert [rule["name"] for rule in inside["rule"]] == ["AWSManagedRulesSQLiRuleSet"]
    # A sample would show headers, with keys in them.
    views = [each["visibility_config"][0] for each in [acl, *rules.values()]]
    assert {view["sampled_requests_enabled"] for view in views} == {False}
    assert f"{COMPLETE}.aws_wafv2_web_acl_association.stage[0]" in planned.changes


def test_iam_and_private(planned: Planned) -> None:
    """No authorizer, no keys, and nobody from outside."""
    assert planned.addresses(INSIDE) == {
        "aws_api_gateway_deployment.this[0]",
        "aws_api_gateway_method_settings.all[0]",
        "aws_api_gateway_rest_api.this[0]",
        "aws_api_gateway_stage.this[0]",
        'aws_cloudwatch_log_group.this["gateway"]',
        'aws_iam_role.function["gateway"]',
        'aws_iam_role_policy.function["gateway"]',
        GATEWAY,
        "aws_lambda_permission.gateway[0]",
        "aws_wafv2_web_acl.this[0]",
        "aws_wafv2_web_acl_association.stage[0]",
    }
    openapi = document(planned, INSIDE)
    assert openapi["components"]["securitySchemes"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert openapi["paths"]["/v1/models"]["get"]["security"] == [{"sigv4": []}]
    assert "x-amazon-apigateway-api-key-source" not in openapi
    # What API Gateway says of a request without a signature.
    unsigned = openapi["x-amazon-apigateway-gateway-responses"]["MISSING_AUTHENTICATION_TOKEN"]
    assert unsigned["statusCode"] == "401"
    statements = {each["Effect"]: each for each in openapi["x-amazon-apigateway-policy"]["Statement"]}
    assert statements["Deny"]["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a"]}}
    api = planned.values(f"{INSIDE}.aws_api_gateway_rest_api.this[0]")
    (endpoint,) = api["endpoint_configuration"]
    assert (endpoint["types"], endpoint["vpc_endpoint_ids"]) == (["PRIVATE"], ["vpce-0a"])
    assert "x-amazon-apigateway-policy" not in document(planned, BASIC)


def test_the_access_log_tells_who_and_never_the_key(planned: Planned) -> None:
    (settings,) = planned.values(f"{BASIC}.aws_api_gateway_stage.this[0]")["access_log_settings"]
    entries = json.loads(settings["format"])
    assert {"requestId", "status", "error", "keyId", "keyName"} <= entries.keys()
    assert "$context.identity.apiKey" not in entries.values()
    assert planned.values(f"{INSIDE}.aws_api_gateway_stage.this[0]")["access_log_settings"] == []
