"""Checks of requests for functions and APIs."""

from __future__ import annotations

from typing import Any

import pytest

A = "123456789012"
R = f"us-east-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/exec"
STAGE = "arn:aws:apigateway:us-east-1::/restapis/x/stages/live"
DYNAMODB_TABLE = f"arn:aws:dynamodb:{R}:table/llm-dev-budgets"

# service, operation, parameters → checks.
TABLE: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    # DynamoDB: tables by name or ARN, and by the keys of a batch.
    (
        "dynamodb",
        "create_table",
        {
            "TableName": "llm-dev-budgets",
            "AttributeDefinitions": [],
            "KeySchema": [],
            "Tags": [{"Key": "team", "Value": "platform"}],
        },
        [("dynamodb:CreateTable", DYNAMODB_TABLE), ("dynamodb:TagResource", DYNAMODB_TABLE)],
    ),
    (
        "dynamodb",
        "list_tags_of_resource",
        {"ResourceArn": DYNAMODB_TABLE},
        [("dynamodb:ListTagsOfResource", DYNAMODB_TABLE)],
    ),
    (
        "dynamodb",
        "batch_get_item",
        {"RequestItems": {"llm-dev-budgets": {"Keys": []}}},
        [("dynamodb:BatchGetItem", DYNAMODB_TABLE)],
    ),
    (
        "dynamodb",
        "update_item",
        {"TableName": "llm-dev-budgets", "Key": {}},
        [("dynamodb:UpdateItem", DYNAMODB_TABLE)],
    ),
    # Lambda.
    (
        "lambda",
        "create_function",
        {
            "FunctionName": "f",
            "Role": ROLE,
            "Code": {"ZipFile": b"zip"},
            "Layers": ["arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:27"],
            "Tags": {"team": "platform"},
        },
        [
            ("lambda:CreateFunction", f"arn:aws:lambda:{R}:function:f"),
            ("iam:PassRole", ROLE),
            ("lambda:TagResource", f"arn:aws:lambda:{R}:function:f"),
            (
                "lambda:GetLayerVersion",
                "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:27",
            ),
        ],
    ),
    (
        "lambda",
        "update_function_configuration",
        {"FunctionName": "f", "Role": ROLE},
        [
            ("lambda:UpdateFunctionConfiguration", f"arn:aws:lambda:{R}:function:f"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "lambda",
        "update_function_code",
        {"FunctionName": f"arn:aws:lambda:{R}:function:f", "ZipFile": b"zip"},
        [("lambda:UpdateFunctionCode", f"arn:aws:lambda:{R}:function:f")],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "f"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{R}:function:f")],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": f"{A}:function:f", "Qualifier": "live"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{R}:function:f:live")],
    ),
    (
        "lambda",
        "invoke_with_response_stream",
        {"FunctionName": "f"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{R}:function:f")],
    ),
    (
        "lambda",
        "add_permission",
        {
            "FunctionName": "f",
            "StatementId": "s",
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
        },
        [("lambda:AddPermission", f"arn:aws:lambda:{R}:function:f")],
    ),
    # API Gateway: method and path.
    (
        "apigateway",
        "create_rest_api",
        {"name": "a"},
        [("apigateway:POST", "arn:aws:apigateway:us-east-1::/restapis")],
    ),
    (
        "apigateway",
        "create_rest_api",
        {"name": "a", "tags": {"team": "platform"}, "policy": "{}"},
        [
            ("apigateway:POST", "arn:aws:apigateway:us-east-1::/restapis"),
            (
                "apigateway:PUT",
                "arn:aws:apigateway:us-east-1::/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2F*",
            ),
            ("apigateway:UpdateRestApiPolicy", "arn:aws:apigateway:us-east-1::/restapis"),
        ],
    ),
    (
        "apigateway",
        "put_rest_api",
        {"restApiId": "x", "body": f'{{"credentials": "{ROLE}"}}'.encode()},
        [("apigateway:PUT", "arn:aws:apigateway:us-east-1::/restapis/x"), ("iam:PassRole", ROLE)],
    ),
    ("apigateway", "get_stage", {"restApiId": "x", "stageName": "live"}, [("apigateway:GET", STAGE)]),
    (
        "apigateway",
        "update_stage",
        {"restApiId": "x", "stageName": "live", "patchOperations": []},
        [("apigateway:PATCH", STAGE)],
    ),
    (
        "apigateway",
        "update_account",
        {"patchOperations": [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ROLE}]},
        [("apigateway:PATCH", "arn:aws:apigateway:us-east-1::/account"), ("iam:PassRole", ROLE)],
    ),
    (
        "apigateway",
        "tag_resource",
        {"resourceArn": STAGE, "tags": {"team": "platform"}},
        [
            (
                "apigateway:PUT",
                "arn:aws:apigateway:us-east-1::/tags/"
                "arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fx%2Fstages%2Flive",
            ),
            ("apigateway:PATCH", STAGE),
        ],
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), TABLE, ids=[f"{row[0]}.{row[1]}" for row in TABLE]
)
def test_actions_and_resources(needs, service, operation, parameters, expected):
    needed = needs(service, operation, **parameters)

    assert [(check.action.name, check.resource) for check in needed] == expected
