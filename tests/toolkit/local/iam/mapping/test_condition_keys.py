"""Condition keys of requests as boto3 sends them."""

from __future__ import annotations

import pytest
from moto.core.base_backend import BackendDict

from tests.support.iam import ACCOUNT
from toolkit.local.iam.callers import Caller
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.mapping import condition_keys
from toolkit.local.iam.mapping.checks import checks
from toolkit.local.iam.mapping.condition_keys import RequestContext, Situation
from toolkit.local.iam.mapping.operations import identify, is_form
from toolkit.local.iam.models import Account
from toolkit.local.iam.principals import Principal

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
OBJECT = {"Bucket": "b", "Key": "k", "Body": b"x"}
VARIANTS = [
    {"VariantName": "a", "ModelName": "M", "InitialInstanceCount": 1, "InstanceType": "ml.g6.xlarge"},
    {"VariantName": "b", "ModelName": "N", "InitialInstanceCount": 1, "InstanceType": "ml.g6e.xlarge"},
]
CONFIGURATION = {"EndpointConfigName": "c", "ProductionVariants": VARIANTS}
CHANGED = "route53:ChangeResourceRecordSets"
RECORDS = {
    "HostedZoneId": "Z1",
    "ChangeBatch": {
        "Changes": [
            {"Action": "UPSERT", "ResourceRecordSet": {"Name": "LLM.example.com.", "Type": "A"}},
            {"Action": "DELETE", "ResourceRecordSet": {"Name": "*.example.com", "Type": "TXT"}},
        ]
    },
}
TAGGED = {"Tags": [{"Key": "Team", "Value": "a"}, {"Key": "cost", "Value": "b"}]}
NEW_ROLE = {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}


@pytest.fixture
def context(capture):
    """The condition keys of one check of a call, by default the first."""
    BackendDict.reset()
    account = Account(ACCOUNT)

    def of(service, operation, *, nth=0, **parameters):
        scope, body = capture(service, operation, **parameters)
        call = identify(scope, body if is_form(scope) else b"")
        content = body if call.needs_body else b""
        request_parameters = call.parameters(content)
        check = checks(call, request_parameters, content, account)[nth]
        caller = Caller(Principal.root(ACCOUNT), tags={"team": "a"})
        keys = condition_keys.global_keys(caller, "us-east-1", check.resource, account)
        return RequestContext(Situation(check, caller, account, call, request_parameters), keys)

    return of


@pytest.mark.parametrize(
    "case",
    [
        ("route53", "change_resource_record_sets", RECORDS, f"{CHANGED}Actions", ("UPSERT", "DELETE")),
        ("route53", "change_resource_record_sets", RECORDS, f"{CHANGED}RecordTypes", ("A", "TXT")),
        (
            "route53",
            "change_resource_record_sets",
            RECORDS,
            f"{CHANGED}NormalizedRecordNames",
            ("llm.example.com", r"\052.example.com"),
        ),
        ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "p/"}, "s3:prefix", ("p/",)),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "s3:prefix", None),
        ("s3", "list_objects_v2", {"Bucket": "b", "MaxKeys": 5}, "s3:max-keys", ("5",)),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "aws:ResourceAccount", (ACCOUNT,)),
        (
            "s3",
            "put_object",
            {**OBJECT, "ServerSideEncryption": "aws:kms"},
            "s3:x-amz-server-side-encryption",
            ("aws:kms",),
        ),
        ("s3", "put_object", OBJECT, "s3:x-amz-server-side-encryption", None),
        ("s3", "put_object", {**OBJECT, "IfNoneMatch": "*"}, "s3:if-none-match", ("*",)),
        ("s3", "put_object", {**OBJECT, "Tagging": "a=b&c=d"}, "s3:RequestObjectTag/c", ("d",)),
        ("s3", "put_object", {**OBJECT, "Tagging": "a=b&c=d"}, "s3:RequestObjectTagKeys", ("a", "c")),
        ("s3", "put_object", OBJECT, "s3:authType", ("REST-HEADER",)),
        # Not a key of this action, or of this service.
        ("s3", "put_object", OBJECT, "s3:prefix", None),
        ("s3", "put_object", OBJECT, "sagemaker:InstanceTypes", None),
        (
            "sagemaker",
            "create_endpoint_config",
            CONFIGURATION,
            "sagemaker:InstanceTypes",
            ("ml.g6.xlarge", "ml.g6e.xlarge"),
        ),
        (
            "sagemaker",
            "create_endpoint_config",
            CONFIGURATION,
            "sagemaker:ModelArn",
            (
                f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/m",
                f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/n",
            ),
        ),
        ("sagemaker", "create_endpoint_config", CONFIGURATION, "sagemaker:VolumeKmsKeyArn", None),
        ("sagemaker", "create_endpoint_config", {**CONFIGURATION, **TAGGED}, "aws:RequestTag/team", ("a",)),
        ("sagemaker", "create_endpoint_config", {**CONFIGURATION, **TAGGED}, "aws:TagKeys", ("Team", "cost")),
        ("sagemaker", "create_endpoint_config", CONFIGURATION, "aws:TagKeys", None),
        (
            "sagemaker",
            "create_model",
            {"ModelName": "m", "EnableNetworkIsolation": True},
            "sagemaker:NetworkIsolation",
            ("true",),
        ),
        (
            "iam",
            "create_role",
            {**NEW_ROLE, "PermissionsBoundary": "arn:aws:iam::aws:policy/x"},
            "iam:PermissionsBoundary",
            ("arn:aws:iam::aws:policy/x",),
        ),
        ("iam", "create_role", NEW_ROLE, "iam:PermissionsBoundary", None),
        (
            "iam",
            "attach_role_policy",
            {"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/x"},
            "iam:PolicyARN",
            ("arn:aws:iam::aws:policy/x",),
        ),
        (
            "lambda",
            "add_permission",
            {"FunctionName": "f", "StatementId": "s", "Action": "a", "Principal": "x.amazonaws.com"},
            "lambda:Principal",
            ("x.amazonaws.com",),
        ),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "n", "MetricData": []},
            "cloudwatch:namespace",
            ("n",),
        ),
        ("logs", "create_log_group", {"logGroupName": "/g", "tags": {"a": "b"}}, "aws:RequestTag/a", ("b",)),
        (
            "logs",
            "untag_resource",
            {"resourceArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/g", "tagKeys": ["a"]},
            "aws:TagKeys",
            ("a",),
        ),
        ("sts", "get_caller_identity", {}, "aws:PrincipalTag/Team", ("a",)),
        ("sts", "get_caller_identity", {}, "aws:RequestedRegion", ("us-east-1",)),
        ("sts", "get_caller_identity", {}, "AWS:securetransport", ("true",)),
        ("sts", "get_caller_identity", {}, "aws:MultiFactorAuthPresent", None),
        ("sts", "get_caller_identity", {}, "aws:username", None),
    ],
)
def test_values(context, case):
    service, operation, parameters, key, expected = case

    assert context(service, operation, **parameters).values(key) == expected


@pytest.mark.parametrize("key", ["s3:signatureAge", "aws:Invented", "s3:ExistingObjectTag/team"])
def test_unsupported_keys_are_errors(context, key):
    with pytest.raises(PolicyError):
        context("s3", "get_object", Bucket="b", Key="k").values(key)


def test_keys_of_other_actions_are_absent(context):
    model = {"ModelName": "m", "ExecutionRoleArn": ROLE, **TAGGED}

    creating, passing = (context("sagemaker", "create_model", nth=nth, **model) for nth in (0, 1))

    assert creating.values("aws:RequestTag/team") == ("a",)
    assert creating.values("iam:PassedToService") is None
    assert passing.values("aws:RequestTag/team") is None
    assert passing.values("iam:PassedToService") == ("sagemaker.amazonaws.com",)


def test_requested_keys_are_recorded(context):
    keys = context("s3", "list_objects_v2", Bucket="b", Prefix="p/")
    keys.values("s3:prefix")
    keys.values("s3:delimiter")

    record = keys.record()
    assert record["s3:prefix"] == ["p/"]
    assert record["aws:RequestedRegion"] == ["us-east-1"]
    assert "s3:delimiter" not in record
