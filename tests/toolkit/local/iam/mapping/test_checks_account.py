"""Checks of requests for roles, logs, alarms and the account."""

from __future__ import annotations

from typing import Any

import pytest

A = "123456789012"
R = f"us-east-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/exec"
TAGS = [{"Key": "team", "Value": "platform"}]

# service, operation, parameters → checks.
TABLE: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    # IAM: paths, boundaries, attached policies.
    (
        "iam",
        "create_role",
        {"RoleName": "r", "Path": "/llm/dev/", "AssumeRolePolicyDocument": "{}", "Tags": TAGS},
        [
            ("iam:CreateRole", f"arn:aws:iam::{A}:role/llm/dev/r"),
            ("iam:TagRole", f"arn:aws:iam::{A}:role/llm/dev/r"),
        ],
    ),
    (
        "iam",
        "simulate_principal_policy",
        {
            "PolicySourceArn": ROLE,
            "ActionNames": ["iam:PassRole"],
            "ResourceArns": [f"arn:aws:iam::{A}:role/other"],
        },
        [("iam:SimulatePrincipalPolicy", ROLE)],
    ),
    (
        "ecr",
        "batch_get_image",
        {"registryId": "763104351884", "repositoryName": "vllm", "imageIds": [{"imageTag": "1"}]},
        [("ecr:BatchGetImage", "arn:aws:ecr:us-east-1:763104351884:repository/vllm")],
    ),
    (
        "acm",
        "describe_certificate",
        {"CertificateArn": f"arn:aws:acm:{R}:certificate/c"},
        [("acm:DescribeCertificate", f"arn:aws:acm:{R}:certificate/c")],
    ),
    (
        "service-quotas",
        "list_service_quotas",
        {"ServiceCode": "sagemaker"},
        [("servicequotas:ListServiceQuotas", "*")],
    ),
    ("lambda", "get_account_settings", {}, [("lambda:GetAccountSettings", "*")]),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", f"arn:aws:iam::{A}:role/r")]),
    (
        "iam",
        "put_role_policy",
        {"RoleName": "r", "PolicyName": "p", "PolicyDocument": "{}"},
        [("iam:PutRolePolicy", f"arn:aws:iam::{A}:role/r")],
    ),
    (
        "iam",
        "attach_role_policy",
        {"RoleName": "r", "PolicyArn": f"arn:aws:iam::{A}:policy/p"},
        [("iam:AttachRolePolicy", f"arn:aws:iam::{A}:role/r")],
    ),
    (
        "iam",
        "create_policy",
        {"PolicyName": "p", "PolicyDocument": "{}"},
        [("iam:CreatePolicy", f"arn:aws:iam::{A}:policy/p")],
    ),
    (
        "iam",
        "get_policy",
        {"PolicyArn": f"arn:aws:iam::{A}:policy/x/p"},
        [("iam:GetPolicy", f"arn:aws:iam::{A}:policy/x/p")],
    ),
    (
        "iam",
        "create_open_id_connect_provider",
        {"Url": "https://token.actions.githubusercontent.com", "ClientIDList": ["sts.amazonaws.com"]},
        [
            (
                "iam:CreateOpenIDConnectProvider",
                f"arn:aws:iam::{A}:oidc-provider/token.actions.githubusercontent.com",
            )
        ],
    ),
    (
        "iam",
        "create_service_linked_role",
        {"AWSServiceName": "ops.apigateway.amazonaws.com"},
        [
            (
                "iam:CreateServiceLinkedRole",
                f"arn:aws:iam::{A}:role/aws-service-role/ops.apigateway.amazonaws.com/*",
            )
        ],
    ),
    (
        "sts",
        "assume_role",
        {"RoleArn": ROLE, "RoleSessionName": "run"},
        [("sts:AssumeRole", ROLE)],
    ),
    # Logs: a group's ARN continues after its name, except for tags.
    (
        "logs",
        "create_log_group",
        {"logGroupName": "/aws/lambda/f", "tags": {"team": "platform"}},
        [
            ("logs:CreateLogGroup", f"arn:aws:logs:{R}:log-group:/aws/lambda/f:log-stream:"),
            ("logs:TagResource", f"arn:aws:logs:{R}:log-group:/aws/lambda/f"),
        ],
    ),
    (
        "logs",
        "put_retention_policy",
        {"logGroupName": "/aws/lambda/f", "retentionInDays": 30},
        [("logs:PutRetentionPolicy", f"arn:aws:logs:{R}:log-group:/aws/lambda/f:log-stream:")],
    ),
    (
        "logs",
        "list_tags_for_resource",
        {"resourceArn": f"arn:aws:logs:{R}:log-group:/aws/lambda/f"},
        [("logs:ListTagsForResource", f"arn:aws:logs:{R}:log-group:/aws/lambda/f")],
    ),
    ("logs", "describe_log_groups", {}, [("logs:DescribeLogGroups", "*")]),
    (
        "logs",
        "get_log_events",
        {"logGroupName": "/g", "logStreamName": "s"},
        [("logs:GetLogEvents", f"arn:aws:logs:{R}:log-group:/g:log-stream:s")],
    ),
    # CloudWatch, in boto3's JSON protocol.
    (
        "cloudwatch",
        "describe_alarms",
        {"AlarmNames": ["a", "b"]},
        [
            ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{R}:alarm:a"),
            ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{R}:alarm:b"),
        ],
    ),
    (
        "cloudwatch",
        "describe_alarms",
        {},
        [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{R}:alarm:*")],
    ),
    # Others.
    ("ec2", "describe_vpcs", {}, [("ec2:DescribeVpcs", "*")]),
    (
        "service-quotas",
        "list_service_quotas",
        {"ServiceCode": "sagemaker"},
        [("servicequotas:ListServiceQuotas", "*")],
    ),
    ("pricing", "get_products", {"ServiceCode": "AmazonSageMaker"}, [("pricing:GetProducts", "*")]),
    ("sns", "create_topic", {"Name": "alarms"}, [("sns:CreateTopic", f"arn:aws:sns:{R}:alarms")]),
    (
        "sns",
        "subscribe",
        {"TopicArn": f"arn:aws:sns:{R}:alarms", "Protocol": "email"},
        [("sns:Subscribe", f"arn:aws:sns:{R}:alarms")],
    ),
    (
        "events",
        "put_rule",
        {"Name": "r", "EventPattern": "{}"},
        [("events:PutRule", f"arn:aws:events:{R}:rule/r")],
    ),
    (
        "kms",
        "describe_key",
        {"KeyId": f"arn:aws:kms:{R}:key/1234"},
        [("kms:DescribeKey", f"arn:aws:kms:{R}:key/1234")],
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), TABLE, ids=[f"{row[0]}.{row[1]}" for row in TABLE]
)
def test_actions_and_resources(needs, service, operation, parameters, expected):
    needed = needs(service, operation, **parameters)

    assert [(check.action.name, check.resource) for check in needed] == expected
