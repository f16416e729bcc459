"""Every rule passes and fails the expected resources, with real checkov on a real plan."""

from __future__ import annotations

import re

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import FIXTURES, plan_scan, source_scan
from toolkit.gate.rules import Severity
from toolkit.gate.scan import Scan

pytestmark = pytest.mark.slow

CONFIGURATION = "aws_sagemaker_endpoint_configuration"
ENDPOINT = "aws_sagemaker_endpoint"
MODEL = "aws_sagemaker_model"
STAGE = "aws_api_gateway_stage"
HTTP_STAGE = "aws_apigatewayv2_stage"
POLICY = "aws_iam_role_policy"
DOCUMENT = "data.aws_iam_policy_document"
# Resources with arguments that are null through an expression.
NULLS = (
    NULL_KEY := f'{CONFIGURATION}.fail_null_key["new"]',
    NULL_ISOLATION := f'{MODEL}.fail_null_isolation["new"]',
    NULL_METHOD := 'aws_api_gateway_method.fail_null_key["new"]',
    NULL_ROUTE := 'aws_apigatewayv2_route.fail_null_authorization["new"]',
    NULL_LIMIT := f'{HTTP_STAGE}.fail_null_limit["new"]',
    NULL_RETENTION := 'aws_cloudwatch_log_group.fail_null_retention["new"]',
)

# Passing and failing resources by rule.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "CKV_LLM_1": (
        [
            f"{CONFIGURATION}.pass_key",
            f"{CONFIGURATION}.pass_local_storage",
            f"{CONFIGURATION}.pass_serverless",
        ],
        [f"{CONFIGURATION}.fail_key", NULL_KEY],
    ),
    "CKV_LLM_2": (
        [
            f"{MODEL}.pass_isolated",
            f"{MODEL}.pass_fetches",
            f"{MODEL}.pass_serverless",
            f'{MODEL}.pass_without_weights["model"]',
        ],
        [f"{MODEL}.fail_staged", f"{MODEL}.fail_archive", NULL_ISOLATION],
    ),
    "CKV_LLM_3": (
        [f"{MODEL}.pass_catalogue", f"{MODEL}.pass_own_account"],
        [f"{MODEL}.fail_other_account", f"{MODEL}.fail_other_region", f"{MODEL}.fail_public"],
    ),
    "CKV_LLM_4": (
        [f"{MODEL}.pass_commit", f"{MODEL}.pass_directory"],
        [f"{MODEL}.fail_no_revision", f"{MODEL}.fail_branch", f"{MODEL}.fail_cannot"],
    ),
    "CKV_LLM_5": (
        [f"{ENDPOINT}.pass_alarms"],
        [f"{ENDPOINT}.fail_all_at_once", f"{ENDPOINT}.fail_unwatched_canary"],
    ),
    "CKV_LLM_6": ([f"{CONFIGURATION}.pass_maximum"], [f"{CONFIGURATION}.fail_maximum", NULL_KEY]),
    "CKV_LLM_7": (
        [f"{CONFIGURATION}.pass_capture", f"{CONFIGURATION}.pass_capture_off"],
        [f"{CONFIGURATION}.fail_capture", NULL_KEY],
    ),
    "CKV_LLM_8": (
        [
            "aws_api_gateway_rest_api.pass_document",
            "aws_api_gateway_rest_api.pass_document_default",
            "aws_api_gateway_rest_api.pass_health_check",
            "aws_api_gateway_method.pass_key",
            "aws_api_gateway_method.pass_preflight",
            "aws_apigatewayv2_route.pass_iam",
        ],
        [
            "aws_api_gateway_rest_api.fail_document",
            "aws_api_gateway_rest_api.fail_undeclared",
            "aws_api_gateway_method.fail_open",
            "aws_apigatewayv2_route.fail_open",
            NULL_METHOD,
            NULL_ROUTE,
        ],
    ),
    "CKV_LLM_9": ([f"{STAGE}.pass_log"], [f"{STAGE}.fail_log", f"{HTTP_STAGE}.fail_log"]),
    "CKV_LLM_10": ([f"{HTTP_STAGE}.pass_throttled"], [f"{HTTP_STAGE}.fail_no_limit", NULL_LIMIT]),
    "CKV_LLM_11": (["aws_lambda_function_url.pass_iam"], ["aws_lambda_function_url.fail_open"]),
    "CKV_LLM_12": (
        [f"{POLICY}.pass_actions", f"{DOCUMENT}.pass_document"],
        [f"{POLICY}.fail_every_action", "aws_iam_role.fail_inline", f"{DOCUMENT}.fail_document"],
    ),
    "CKV_LLM_13": (
        [f"{POLICY}.pass_resources", f"{DOCUMENT}.pass_document"],
        [
            "aws_iam_policy.fail_every_resource",
            f"{POLICY}.fail_every_endpoint_everywhere",
            f"{POLICY}.fail_not_resource",
            f"{DOCUMENT}.fail_document",
        ],
    ),
    "CKV_LLM_14": (
        [f"{POLICY}.pass_passed_to", f"{DOCUMENT}.pass_document"],
        [
            f"{POLICY}.fail_passed_to_anything",
            f"{POLICY}.fail_passed_to_all_but",
            f"{DOCUMENT}.fail_document",
        ],
    ),
    "CKV_LLM_15": (
        ["aws_iam_role_policy_attachment.pass_own_policy"],
        ["aws_iam_role_policy_attachment.fail_full_access"],
    ),
    "CKV_LLM_16": (
        ["aws_cloudwatch_log_group.pass_retention"],
        ["aws_cloudwatch_log_group.fail_retention", NULL_RETENTION],
    ),
    "CKV_LLM_17": (
        [f"{MODEL}.pass_variables", "aws_lambda_function.pass_variables"],
        [f"{MODEL}.fail_name", "aws_lambda_function.fail_value"],
    ),
    "CKV2_LLM_1": (
        [f"{STAGE}.pass_throttled"],
        [f"{STAGE}.fail_no_settings", f"{STAGE}.fail_no_limit"],
    ),
    # The scalable target is in the endpoint's module; its two instances have to be distinguished.
    "CKV2_LLM_2": (
        [f'module.fleet["pass"].{ENDPOINT}.this'],
        [f'module.fleet["fail"].{ENDPOINT}.this', f"{ENDPOINT}.pass_alarms"],
    ),
}
# Known only in plans: results of Terraform functions and expressions, and instances of a module.
ONLY_IN_PLANS = {
    *NULLS,
    "aws_api_gateway_rest_api.fail_undeclared",
    "aws_lambda_function.fail_value",
    f'module.fleet["pass"].{ENDPOINT}.this',
    f'module.fleet["fail"].{ENDPOINT}.this',
}


def failing(scan: Scan, rule: str) -> set[str]:
    return {finding.resource for finding in scan.findings if finding.rule == rule}


def passing(scan: Scan, rule: str) -> set[str]:
    return {resource for passed, resource in scan.passed if passed == rule}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_in_a_plan(rule: str) -> None:
    passes, fails = CASES[rule]
    assert failing(plan_scan(), rule) >= set(fails)
    assert passing(plan_scan(), rule) >= set(passes)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_in_source_code(rule: str) -> None:
    passes, fails = (set(names) - ONLY_IN_PLANS for names in CASES[rule])
    assert failing(source_scan(), rule) >= fails
    assert not failing(source_scan(), rule) & passes


def test_unknown_values_are_not_checked() -> None:
    resource = f"{MODEL}.pass_unknown_yet"
    assert resource not in failing(plan_scan(), "CKV_LLM_3") | passing(plan_scan(), "CKV_LLM_3")


def test_every_file_is_a_loaded_and_tested_rule() -> None:
    files = {
        file
        for file in (ROOT / "policies" / "checkov").iterdir()
        if file.suffix in (".py", ".yaml") and not file.name.startswith("_")
    }
    assert {rule.file for rule in plan_scan().rules} == files
    assert {rule.id for rule in plan_scan().rules} == set(CASES)
    assert plan_scan().problems == source_scan().problems == ()


def test_every_rule_has_severity_reason_and_remedy() -> None:
    for rule in plan_scan().rules:
        assert re.fullmatch(r"CKV2?_LLM_[1-9]\d*", rule.id), rule
        assert isinstance(rule.severity, Severity), rule
        # One line each, for tables and annotations.
        assert rule.name and not rule.name.endswith("."), rule
        for sentence in (rule.reason, rule.remedy):
            assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 160, rule
        assert rule.resources, rule


def test_findings_have_details_without_values() -> None:
    details = {
        finding.resource: finding.details
        for finding in plan_scan().findings
        if finding.rule in ("CKV_LLM_17", "CKV_LLM_13", "CKV_LLM_8")
    }
    assert details[f"{MODEL}.fail_name"] == ("HF_TOKEN",)
    assert details["aws_lambda_function.fail_value"] == ("SETTING",)
    assert details["aws_iam_policy.fail_every_resource"] == ("Anywhere: sagemaker:invokeendpoint",)
    assert details["aws_api_gateway_rest_api.fail_document"] == ("GET /v1/models",)


def test_every_fixture_is_in_a_case() -> None:
    names = {name.partition("[")[0] for case in CASES.values() for resources in case for name in resources}
    fixtures = {
        f"{kind}.{name}"
        for file in FIXTURES.glob("*.tf")
        for kind, name in re.findall(
            r'^resource "(\w+)" "((?:pass|fail)_\w+)"', file.read_text(), re.MULTILINE
        )
    }
    assert fixtures - names == {f"{MODEL}.pass_unknown_yet"}
