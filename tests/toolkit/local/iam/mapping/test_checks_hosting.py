"""Checks of requests for models, endpoints and scaling."""

from __future__ import annotations

from typing import Any

import pytest

A = "123456789012"
R = f"us-east-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/exec"
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

# service, operation, parameters → checks.
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
    # SageMaker: resources and their parts; roles, tags; the runtime.
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
        [
            ("sagemaker:InvokeEndpointWithResponseStream", f"arn:aws:sagemaker:{R}:endpoint/e"),
            ("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{R}:endpoint/e"),
        ],
    ),
    # Scaling changes endpoint and alarms with the caller's permissions.
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
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), TABLE, ids=[f"{row[0]}.{row[1]}" for row in TABLE]
)
def test_actions_and_resources(needs, service, operation, parameters, expected):
    needed = needs(service, operation, **parameters)

    assert [(check.action.name, check.resource) for check in needed] == expected
