"""What requests need, from HTTP as boto3 sends it to actions and resources."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core.base_backend import BackendDict

from toolkit.local.iam.account import Account
from toolkit.local.iam.errors import UnmappedRequestError
from toolkit.local.iam.mapping.operations import identify, is_form
from toolkit.local.iam.requests import checks

A = "123456789012"
R = f"us-east-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/exec"
STAGE = "arn:aws:apigateway:us-east-1::/restapis/x/stages/live"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/llm-dev-m/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SCALING_ROLE = (
    f"arn:aws:iam::{A}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
ALARM = f"arn:aws:cloudwatch:{R}:alarm:TargetTracking-endpoint/llm-dev-m/variant/main-*"
OBJECT = {"Bucket": "b", "Key": "k/l m"}
VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.g6.xlarge"}
TAGS = [{"Key": "team", "Value": "platform"}]
WEB_ACL = f"arn:aws:wafv2:{R}:regional/webacl/acl/1234"

# service, operation, parameters → what it needs.
TABLE: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    # S3: one action for many operations, several actions for one.
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "arn:aws:s3:::*")]),
    ("s3", "create_bucket", {"Bucket": "b"}, [("s3:CreateBucket", "arn:aws:s3:::b")]),
    ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "list_objects", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "list_objects_v2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "list_object_versions", {"Bucket": "b"}, [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
    ("s3", "get_bucket_location", {"Bucket": "b"}, [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
    ("s3", "get_public_access_block", {"Bucket": "b"}, [("s3:GetBucketPublicAccessBlock", "arn:aws:s3:::b")]),
    ("s3", "get_bucket_encryption", {"Bucket": "b"}, [("s3:GetEncryptionConfiguration", "arn:aws:s3:::b")]),
    (
        "s3",
        "get_bucket_lifecycle_configuration",
        {"Bucket": "b"},
        [("s3:GetLifecycleConfiguration", "arn:aws:s3:::b")],
    ),
    ("s3", "delete_bucket_tagging", {"Bucket": "b"}, [("s3:PutBucketTagging", "arn:aws:s3:::b")]),
    ("s3", "get_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::b/k/l m")]),
    ("s3", "head_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::b/k/l m")]),
    ("s3", "get_object", {**OBJECT, "VersionId": "1"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/k/l m")]),
    ("s3", "put_object", {**OBJECT, "Body": b"x"}, [("s3:PutObject", "arn:aws:s3:::b/k/l m")]),
    (
        "s3",
        "put_object",
        {**OBJECT, "Body": b"x", "Tagging": "a=b", "ACL": "private"},
        [
            ("s3:PutObject", "arn:aws:s3:::b/k/l m"),
            ("s3:PutObjectAcl", "arn:aws:s3:::b/k/l m"),
            ("s3:PutObjectTagging", "arn:aws:s3:::b/k/l m"),
        ],
    ),
    ("s3", "create_multipart_upload", OBJECT, [("s3:PutObject", "arn:aws:s3:::b/k/l m")]),
    (
        "s3",
        "upload_part",
        {**OBJECT, "PartNumber": 1, "UploadId": "u", "Body": b"x"},
        [("s3:PutObject", "arn:aws:s3:::b/k/l m")],
    ),
    (
        "s3",
        "complete_multipart_upload",
        {**OBJECT, "UploadId": "u", "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}},
        [("s3:PutObject", "arn:aws:s3:::b/k/l m")],
    ),
    (
        "s3",
        "abort_multipart_upload",
        {**OBJECT, "UploadId": "u"},
        [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k/l m")],
    ),
    (
        "s3",
        "copy_object",
        {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "c", "Key": "l"}},
        [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::c/l")],
    ),
    (
        "s3",
        "delete_objects",
        {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "1"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/l")],
    ),
    # SageMaker: what is created and what it is made of; roles, tags; the runtime.
    (
        "sagemaker",
        "create_model",
        {"ModelName": "llm-Dev", "ExecutionRoleArn": ROLE, "Tags": TAGS},
        [
            ("sagemaker:CreateModel", f"arn:aws:sagemaker:{R}:model/llm-dev"),
            ("iam:PassRole", ROLE),
            ("sagemaker:AddTags", f"arn:aws:sagemaker:{R}:model/llm-dev"),
        ],
    ),
    (
        "sagemaker",
        "create_endpoint_config",
        {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]},
        [("sagemaker:CreateEndpointConfig", f"arn:aws:sagemaker:{R}:endpoint-config/c")],
    ),
    (
        "sagemaker",
        "create_endpoint",
        {"EndpointName": "e", "EndpointConfigName": "c"},
        [
            ("sagemaker:CreateEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e"),
            ("sagemaker:CreateEndpoint", f"arn:aws:sagemaker:{R}:endpoint-config/c"),
        ],
    ),
    (
        "sagemaker",
        "update_endpoint",
        {"EndpointName": "e", "EndpointConfigName": "c"},
        [
            ("sagemaker:UpdateEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e"),
            ("sagemaker:UpdateEndpoint", f"arn:aws:sagemaker:{R}:endpoint-config/c"),
        ],
    ),
    (
        "sagemaker",
        "delete_endpoint",
        {"EndpointName": "e"},
        [("sagemaker:DeleteEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e")],
    ),
    ("sagemaker", "list_endpoints", {}, [("sagemaker:ListEndpoints", "*")]),
    (
        "sagemaker",
        "list_tags",
        {"ResourceArn": f"arn:aws:sagemaker:{R}:endpoint/e"},
        [("sagemaker:ListTags", f"arn:aws:sagemaker:{R}:endpoint/e")],
    ),
    (
        "sagemaker",
        "add_tags",
        {"ResourceArn": f"arn:aws:sagemaker:{R}:endpoint-config/c", "Tags": TAGS},
        [("sagemaker:AddTags", f"arn:aws:sagemaker:{R}:endpoint-config/c")],
    ),
    (
        "sagemaker-runtime",
        "invoke_endpoint",
        {"EndpointName": "e", "Body": b"{}"},
        [("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e")],
    ),
    (
        "sagemaker-runtime",
        "invoke_endpoint_with_response_stream",
        {"EndpointName": "e", "Body": b"{}"},
        [("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e")],
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
    # IAM: paths, boundaries, what is attached.
    (
        "iam",
        "create_role",
        {"RoleName": "r", "Path": "/llm/dev/", "AssumeRolePolicyDocument": "{}", "Tags": TAGS},
        [
            ("iam:CreateRole", f"arn:aws:iam::{A}:role/llm/dev/r"),
            ("iam:TagRole", f"arn:aws:iam::{A}:role/llm/dev/r"),
        ],
    ),
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
    # Logs: a group's ARN goes on after its name, except where tags are concerned.
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
    # CloudWatch, in the JSON protocol that boto3 speaks to it.
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
    # Scaling acts on the endpoint and on alarms with its caller's rights.
    (
        "application-autoscaling",
        "register_scalable_target",
        {**TARGET, "MinCapacity": 1, "MaxCapacity": 2},
        [
            (
                "application-autoscaling:RegisterScalableTarget",
                f"arn:aws:application-autoscaling:{R}:scalable-target/*",
            ),
            ("sagemaker:DescribeEndpoint", f"arn:aws:sagemaker:{R}:endpoint/llm-dev-m"),
            ("sagemaker:UpdateEndpointWeightsAndCapacities", f"arn:aws:sagemaker:{R}:endpoint/llm-dev-m"),
            ("iam:CreateServiceLinkedRole", SCALING_ROLE),
        ],
    ),
    (
        "application-autoscaling",
        "put_scaling_policy",
        {**TARGET, "PolicyName": "p", "PolicyType": "TargetTrackingScaling"},
        [
            (
                "application-autoscaling:PutScalingPolicy",
                f"arn:aws:application-autoscaling:{R}:scalable-target/*",
            ),
            ("cloudwatch:DescribeAlarms", ALARM),
            ("cloudwatch:PutMetricAlarm", ALARM),
        ],
    ),
    (
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "sagemaker"},
        [("application-autoscaling:DescribeScalableTargets", "*")],
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
    (
        "wafv2",
        "associate_web_acl",
        {"WebACLArn": WEB_ACL, "ResourceArn": STAGE},
        [
            ("wafv2:AssociateWebACL", STAGE),
            ("wafv2:AssociateWebACL", WEB_ACL),
            ("apigateway:SetWebACL", STAGE),
        ],
    ),
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


@pytest.fixture
def account():
    BackendDict.reset()
    return Account(A)


@pytest.fixture
def needs(capture, account):
    """What a boto3 call needs."""

    def of(service, operation, **parameters):
        return checks_of(capture(service, operation, **parameters), account)

    return of


def checks_of(captured, account):
    scope, body = captured
    call = identify(scope, body if is_form(scope) else b"")
    content = body if call.needs_body else b""
    return checks(call, call.parameters(content), content, account)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), TABLE, ids=[f"{row[0]}.{row[1]}" for row in TABLE]
)
def test_actions_and_resources(needs, service, operation, parameters, expected):
    found = needs(service, operation, **parameters)

    assert [(check.action.name, check.resource) for check in found] == expected


def test_roles_are_named_with_their_path(needs, account):
    account.iam.create_role("deep", "{}", "/a/b/", None, "", [], "3600")

    (check,) = needs("iam", "delete_role", RoleName="deep")

    assert check.resource == f"arn:aws:iam::{A}:role/a/b/deep"


def test_passing_says_to_whom_and_for_what(needs):
    _, passing = needs("sagemaker", "create_model", ModelName="m", ExecutionRoleArn=ROLE)

    assert passing.keys == {
        "iam:PassedToService": ("sagemaker.amazonaws.com",),
        "iam:AssociatedResourceArn": (f"arn:aws:sagemaker:{R}:model/m",),
    }


def test_the_role_for_scaling_is_made_once(needs, account):
    path, _, name = SCALING_ROLE.partition("role")[2].rpartition("/")
    account.iam.create_role(name, "{}", f"{path}/", None, "", [], "3600")

    found = needs("application-autoscaling", "register_scalable_target", **TARGET)

    assert "iam:CreateServiceLinkedRole" not in [check.action.name for check in found]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        # Replication passes a role in a body that is not read.
        (
            "s3",
            "put_bucket_replication",
            {"Bucket": "b", "ReplicationConfiguration": {"Role": ROLE, "Rules": []}},
        ),
        ("dynamodb", "list_tables", {}),
        # Rights that session policies by ARN would take away are not known afterwards.
        ("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "run", "PolicyArns": [{"arn": ROLE}]}),
    ],
)
def test_what_is_not_known_is_an_error(needs, service, operation, parameters):
    with pytest.raises(UnmappedRequestError):
        needs(service, operation, **parameters)


def test_a_request_signed_for_one_service_and_meant_for_another_is_an_error(capture, account):
    scope, body = capture("s3", "list_buckets")
    target = (b"x-amz-target", b"SageMaker.ListEndpoints")

    with pytest.raises(UnmappedRequestError):
        checks_of(({**scope, "headers": [*scope["headers"], target]}, body), account)


def test_large_bodies_are_left_alone_where_they_say_nothing(capture):
    for service, operation, parameters in [
        ("s3", "put_object", {**OBJECT, "Body": b"x"}),
        ("s3", "upload_part", {**OBJECT, "PartNumber": 1, "UploadId": "u", "Body": b"x"}),
        ("lambda", "update_function_code", {"FunctionName": "f", "ZipFile": b"x"}),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"x"}),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
    ]:
        scope, _ = capture(service, operation, **parameters)
        assert not identify(scope).needs_body, operation
