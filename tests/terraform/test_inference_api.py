"""Plans of the API module: the OpenAPI document and its surroundings."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from authorizer.tokens import Settings as TokenSettings
from gateway.settings import BedrockGuardrail, Budget, GuardSettings, Settings
from openapi_spec_validator import validate
from ruamel.yaml import YAML

from tests.support.checkout import ROOT
from tests.support.terraform import Planned, Rig, show
from toolkit.environment.api import RuleGroup

pytestmark = pytest.mark.slow

MODULES = """
variable "packages" {
  type = object({ gateway = string, authorizer = string })
}

variable "rule_groups" {
  type = list(string)
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

module "private" {
  source     = "../../modules/inference_api"
  name       = "private"
  region     = "us-east-1"
  account_id = "123456789012"
  models     = {}
  gateway    = { package = var.packages.gateway }
  authorizer = { package = var.packages.authorizer }
  auth       = "iam"
  access_log = false
  waf        = { managed_rules = var.rule_groups }
  private    = { vpc_endpoint_ids = ["vpce-0a"] }
  cors       = { allow_origins = ["https://a.example", "https://b.example"] }
}

module "jwt" {
  source     = "../../modules/inference_api"
  name       = "jwt"
  region     = "us-east-1"
  account_id = "123456789012"
  models     = { m = { endpoint_name = "e" } }
  gateway    = { package = var.packages.gateway }
  authorizer = { package = var.packages.authorizer }
  key_header = "authorization"
  usage_plans = {
    default = { rate_per_second = 1, burst = 5, models = [] }
    trial   = { rate_per_second = 1, burst = 5, models = ["m"] }
    staff   = { rate_per_second = 9, burst = 9 }
  }
  jwt = {
    issuer             = "https://login.example"
    audience           = ["llm"]
    claim              = "groups"
    usage_plans        = [{ value = "z", usage_plan = "trial" }, { value = "a", usage_plan = "staff" }]
    default_usage_plan = "trial"
  }
}

module "crowded" {
  source     = "../../modules/inference_api"
  name       = "crowded"
  region     = "us-east-1"
  account_id = "123456789012"
  gateway    = { package = var.packages.gateway }
  authorizer = { package = var.packages.authorizer }
  models = {
    for n in range(60) : "model-${n}" => { endpoint_name = "crowded-model-${n}", dialect = "llama_cpp" }
  }
}
"""
# The rules on bodies of the rule groups that an environment can select. Source, read on 2026-11-30:
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
BODY_RULES: dict[str, set[str]] = {
    "AWSManagedRulesAmazonIpReputationList": set(),
    "AWSManagedRulesAnonymousIpList": set(),
    "AWSManagedRulesCommonRuleSet": {
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "SizeRestrictions_BODY",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {
        "JavaDeserializationRCE_BODY",
        "Log4JRCE_BODY",
        "ReactJSRCE_BODY",
    },
    "AWSManagedRulesLinuxRuleSet": set(),
    "AWSManagedRulesSQLiRuleSet": {"SQLiExtendedPatterns_BODY", "SQLi_BODY"},
    "AWSManagedRulesUnixRuleSet": {"UNIXShellCommandsVariables_BODY"},
}
BASIC, COMPLETE, PRIVATE = "module.basic.module.api", "module.complete.module.api", "module.private"
GATEWAY = "aws_lambda_function.gateway[0]"


@pytest.fixture(scope="module")
def planned(rig: Rig, packages: dict[str, str]) -> Planned:
    """A single plan for all tests, because starting the provider takes most of the time."""
    variables = {"packages": packages, "rule_groups": list(BODY_RULES)}
    return show(rig.workspace(rig.root("api", MODULES), variables))


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """The published contract."""
    file = ROOT / "terraform" / "modules" / "inference_api" / "openapi.yaml"
    return dict(YAML(typ="safe").load(file.read_text()))


def document(planned: Planned, module: str) -> dict[str, Any]:
    """The OpenAPI document for API Gateway."""
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


def test_the_deployed_document_matches_the_contract(planned: Planned, contract: dict[str, Any]) -> None:
    deployed, expected = operations(document(planned, BASIC)), operations(contract)
    assert deployed.keys() == expected.keys() and len(deployed) == 12
    for name, operation in expected.items():
        for member in ("operationId", "summary"):
            assert deployed[name][member] == operation[member]
        assert deployed[name]["responses"].keys() == operation["responses"].keys()
        assert all(response["description"] for response in deployed[name]["responses"].values())
        assert [parameter["name"] for parameter in deployed[name].get("parameters", [])] == [
            parameter["name"] for parameter in operation.get("parameters", [])
        ]
        assert ("requestBody" in deployed[name]) == ("requestBody" in operation)


def test_operations_stream_and_require_a_key_except_health(planned: Planned) -> None:
    openapi = document(planned, BASIC)
    function = "arn:aws:lambda:us-east-1:123456789012:function:example-dev-gateway"
    health = operations(openapi)["GET /healthz"]
    assert health["security"] == [] and health["x-amazon-apigateway-integration"]["type"] == "mock"
    for name, operation in operations(openapi).items():
        if name == "GET /healthz":
            continue
        assert operation["security"] == [{"authorizer": [], "key": []}]
        assert operation["x-amazon-apigateway-integration"] == {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/"
            f"{function}/response-streaming-invocations",
            "responseTransferMode": "STREAM",
            "timeoutInMillis": 900_000,
        }
    assert openapi["x-amazon-apigateway-api-key-source"] == "AUTHORIZER"


def test_results_are_cached_only_with_a_single_key_header(planned: Planned) -> None:
    """API Gateway requires every identity source in a request, so two headers cannot both be sources."""

    def authorizer(module: str) -> dict[str, Any]:
        schemes = document(planned, module)["components"]["securitySchemes"]
        return dict(schemes["authorizer"]["x-amazon-apigateway-authorizer"])

    uri = authorizer(BASIC).pop("authorizerUri")
    assert uri.endswith(":function:example-dev-authorizer/invocations")
    assert authorizer(BASIC) == {"type": "request", "authorizerUri": uri, "authorizerResultTtlInSeconds": 0}
    cached = authorizer(COMPLETE)
    assert (cached["identitySource"], cached["authorizerResultTtlInSeconds"]) == (
        "method.request.header.authorization",
        300,
    )
    # The authorizer then ignores the other header.
    headers = [
        planned.values(f"{module}.aws_lambda_function.authorizer[0]")["environment"][0]["variables"][
            "KEY_HEADERS"
        ]
        for module in (BASIC, COMPLETE)
    ]
    assert headers == ["x-api-key,authorization", "authorization"]


def test_callers_with_a_jwt_have_plans_and_no_cached_results(planned: Planned) -> None:
    """A cached result would outlive its token by up to five minutes."""
    openapi = document(planned, "module.jwt")
    scheme = openapi["components"]["securitySchemes"]["authorizer"]["x-amazon-apigateway-authorizer"]
    assert scheme["authorizerResultTtlInSeconds"] == 0 and "identitySource" not in scheme
    function = planned.values("module.jwt.aws_lambda_function.authorizer[0]")
    authorizer = dict(function["environment"][0]["variables"])
    assert authorizer["KEY_HEADERS"] == "authorization"
    settings = TokenSettings(**json.loads(authorizer["JWT"]))
    # In the order of the variable, because the first match applies.
    assert [list(pair) for pair in settings.usage_plans] == [["z", "trial"], ["a", "staff"]]
    assert (settings.jwks_url, settings.leeway_seconds, settings.log_subject) == (None, 60, False)
    gateway = variables(planned, "module.jwt")
    # A restriction of unlisted keys leaves other plans alone.
    models = {"*": [], "jwt/staff": None, "jwt/trial": ["m"]}
    assert json.loads(gateway["GATEWAY_KEY_MODELS"]) == models
    body = openapi["x-amazon-apigateway-gateway-responses"]["UNAUTHORIZED"]["responseTemplates"]
    assert "or a valid JWT as 'Authorization: Bearer JWT'" in body["application/json"]
    plain = planned.values(f"{BASIC}.aws_lambda_function.authorizer[0]")
    assert (plain["memory_size"], plain["timeout"]) == (128, 5)
    assert set(plain["environment"][0]["variables"]) == {"KEY_HEADERS"}


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
def test_gateway_responses_have_openais_format(
    planned: Planned, response: str, status: str | None, code: str | None
) -> None:
    gateway_response = document(planned, BASIC)["x-amazon-apigateway-gateway-responses"][response]
    assert gateway_response.get("statusCode") == status
    body = json.loads(gateway_response["responseTemplates"]["application/json"])
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["code"] == code and body["error"]["message"]


def test_api_gateways_statuses_are_in_the_contract(planned: Planned, contract: dict[str, Any]) -> None:
    statuses = {
        response["statusCode"]
        for response in document(planned, BASIC)["x-amazon-apigateway-gateway-responses"].values()
        if "statusCode" in response
    }
    assert statuses <= set(operations(contract)["POST /v1/chat/completions"]["responses"])


def test_usage_plans_have_throttles_and_quotas(planned: Planned) -> None:
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
    # The gateway only needs limits.
    assert json.loads(variables(planned, COMPLETE)["GATEWAY_KEY_MODELS"]) == {"website": ["bge"]}
    assert "GATEWAY_KEY_MODELS" not in variables(planned, BASIC)


def test_preflight_requests_need_no_key(planned: Planned) -> None:
    assert not [name for name in operations(document(planned, BASIC)) if name.startswith("OPTIONS")]
    openapi = document(planned, COMPLETE)
    for path in openapi["paths"]:
        assert openapi["paths"][path]["options"]["security"] == []


def test_cors_headers_are_in_all_error_responses(planned: Planned) -> None:
    openapi = document(planned, COMPLETE)
    assert json.loads(variables(planned, COMPLETE)["GATEWAY_CORS_ORIGINS"]) == ["https://chat.example.com"]
    responses = openapi["x-amazon-apigateway-gateway-responses"]
    allowed = "gatewayresponse.header.Access-Control-Allow-Origin"
    assert {response["responseParameters"][allowed] for response in responses.values()} == {
        "'https://chat.example.com'"
    }
    assert responses["THROTTLED"]["responseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"
    private_responses = document(planned, PRIVATE)["x-amazon-apigateway-gateway-responses"]
    assert private_responses["UNAUTHORIZED"]["responseParameters"][allowed] == "'*'"


def test_the_gateway_may_apply_its_guardrail_only(planned: Planned) -> None:
    guard = Settings.from_environment(variables(planned, COMPLETE)).guard
    bedrock = BedrockGuardrail("gr1a2b3c4d5e", "3")
    models, sources = frozenset({"qwen3-8b"}), frozenset({"input"})
    assert guard == GuardSettings(bedrock, models=models, sources=sources, window=None)
    assert "GATEWAY_GUARD" not in variables(planned, BASIC)

    def allowed(module: str, function: str) -> dict[str, Any]:
        policy = planned.values(f'{module}.aws_iam_role_policy.function["{function}"]')["policy"]
        return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}

    statement = allowed(COMPLETE, "gateway")["ApplyGuardrail"]
    assert statement["Action"] == "bedrock:ApplyGuardrail"
    assert statement["Resource"] == "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr1a2b3c4d5e"
    assert "ApplyGuardrail" not in allowed(COMPLETE, "authorizer")
    assert "ApplyGuardrail" not in allowed(BASIC, "gateway")


def test_sixty_models_fit_into_the_variables(planned: Planned) -> None:
    """Without the names of their endpoints, which the gateway derives."""
    crowded = variables(planned, "module.crowded")
    assert len(json.dumps(crowded, separators=(",", ":"))) <= 4096
    models = Settings.from_environment(crowded).models
    assert (len(models), models["model-59"].endpoint) == (60, "crowded-model-59")


def test_a_custom_domain_has_a_base_path_and_a_record(planned: Planned) -> None:
    domain = planned.values(f"{COMPLETE}.aws_api_gateway_domain_name.this[0]")
    assert (domain["domain_name"], domain["security_policy"]) == ("llm.example.com", "TLS_1_2")
    assert planned.values(f"{COMPLETE}.aws_api_gateway_base_path_mapping.this[0]")["base_path"] == "prod"
    assert planned.values(f"{COMPLETE}.aws_route53_record.domain[0]")["type"] == "A"
    # API Gateway passes the path with the base path.
    assert variables(planned, COMPLETE)["AWS_LWA_REMOVE_BASE_PATH"] == "/prod"


def test_the_firewall_only_counts_matches_in_bodies(planned: Planned) -> None:
    """AWS WAF ignores misspelled names of rules, and new names would block: compare them with AWS's list."""
    # Without a rate limit there is no rule for it.
    rules = planned.values(f"{PRIVATE}.aws_wafv2_web_acl.this[0]")["rule"]
    assert {rule["name"] for rule in rules} == set(get_args(RuleGroup))
    for rule in rules:
        overrides = rule["statement"][0]["managed_rule_group_statement"][0]["rule_action_override"]
        assert {override["name"] for override in overrides} - {"NoUserAgent_HEADER"} == BODY_RULES[
            rule["name"]
        ]
        assert all(override["action_to_use"][0]["count"] for override in overrides)


def test_the_firewall_limits_requests_per_address(planned: Planned) -> None:
    acl = planned.values(f"{COMPLETE}.aws_wafv2_web_acl.this[0]")
    rules = {rule["name"]: rule for rule in acl["rule"]}
    assert next(iter(rules)) == "rate-per-address" and len(rules) == 4
    assert rules["rate-per-address"]["statement"][0]["rate_based_statement"][0]["limit"] == 1000
    assert f"{COMPLETE}.aws_wafv2_web_acl_association.stage[0]" in planned.changes


def test_the_firewall_samples_no_requests(planned: Planned) -> None:
    """Samples would contain headers with API keys."""
    acl = planned.values(f"{COMPLETE}.aws_wafv2_web_acl.this[0]")
    views = [item["visibility_config"][0] for item in [acl, *acl["rule"]]]
    assert {view["sampled_requests_enabled"] for view in views} == {False}


def test_iam_authorization_needs_no_authorizer_and_no_keys(planned: Planned) -> None:
    assert planned.addresses(PRIVATE) == {
        "aws_api_gateway_deployment.this[0]",
        "aws_api_gateway_method_settings.all[0]",
        "aws_api_gateway_rest_api.this[0]",
        "aws_api_gateway_rest_api_policy.this[0]",
        "aws_api_gateway_stage.this[0]",
        'aws_cloudwatch_log_group.this["gateway"]',
        'aws_iam_role.function["gateway"]',
        'aws_iam_role_policy.function["gateway"]',
        GATEWAY,
        "aws_lambda_permission.gateway[0]",
        "aws_wafv2_web_acl.this[0]",
        "aws_wafv2_web_acl_association.stage[0]",
    }
    openapi = document(planned, PRIVATE)
    assert openapi["components"]["securitySchemes"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert openapi["paths"]["/v1/models"]["get"]["security"] == [{"sigv4": []}]
    assert "x-amazon-apigateway-api-key-source" not in openapi
    # The response to a request without a signature.
    unsigned = openapi["x-amazon-apigateway-gateway-responses"]["MISSING_AUTHENTICATION_TOKEN"]
    assert unsigned["statusCode"] == "401"


def test_a_private_api_is_limited_to_its_vpc_endpoints(planned: Planned) -> None:
    api = planned.values(f"{PRIVATE}.aws_api_gateway_rest_api.this[0]")
    statements = {statement["Effect"]: statement for statement in json.loads(api["policy"])["Statement"]}
    assert statements["Deny"]["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a"]}}
    (endpoint,) = api["endpoint_configuration"]
    assert (endpoint["types"], endpoint["vpc_endpoint_ids"]) == (["PRIVATE"], ["vpce-0a"])
    assert "aws_api_gateway_rest_api_policy.this[0]" not in planned.addresses(BASIC)


def test_the_access_log_has_key_ids_but_no_keys(planned: Planned) -> None:
    (settings,) = planned.values(f"{BASIC}.aws_api_gateway_stage.this[0]")["access_log_settings"]
    entries = json.loads(settings["format"])
    assert {"requestId", "status", "error", "keyId", "keyName"} <= entries.keys()
    assert "$context.identity.apiKey" not in entries.values()
    assert planned.values(f"{PRIVATE}.aws_api_gateway_stage.this[0]")["access_log_settings"] == []


def test_only_the_gateway_updates_the_counters_of_budgets(planned: Planned) -> None:
    table = planned.values(f"{COMPLETE}.aws_dynamodb_table.budgets[0]")
    assert (table["name"], table["billing_mode"]) == ("example-prod-budgets", "PAY_PER_REQUEST")
    assert (table["hash_key"], table["range_key"]) == ("api_key", "usage_month")
    assert table["ttl"][0]["attribute_name"] == "expires_at"
    statements = planned.policy(f'{COMPLETE}.aws_iam_role_policy.function["gateway"]')
    assert statements["CountTokens"] == {
        "Effect": "Allow",
        "Action": ["dynamodb:UpdateItem"],
        "Resource": ["arn:aws:dynamodb:us-east-1:123456789012:table/example-prod-budgets"],
    }
    assert "CountTokens" not in planned.policy(f'{COMPLETE}.aws_iam_role_policy.function["authorizer"]')
    gateway = planned.values(f"{COMPLETE}.aws_lambda_function.gateway[0]")["environment"][0]["variables"]
    settings = Settings.from_environment(gateway)
    assert settings.budgets["guests"] == Budget(tokens_per_minute=20000)
    assert settings.budgets["website"] is settings.budgets["*"] is None
    # Without budgets, there are neither table nor permission.
    assert "aws_dynamodb_table.budgets[0]" not in planned.addresses(BASIC)
    assert "CountTokens" not in planned.policy(f'{BASIC}.aws_iam_role_policy.function["gateway"]')
