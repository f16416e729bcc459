"""IAM over HTTP: denials, invalid credentials, and complete bodies."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.config import Config

from tests.support.iam import ACCOUNT, allow, deny
from tests.toolkit.local.iam.conftest import BUCKET, READ_PUBLIC, code, denial
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.middleware import EnforceIamMiddleware


@pytest.mark.parametrize(
    ("service", "operation", "expected", "status"),
    [
        ("sagemaker", "list_endpoints", "AccessDeniedException", 400),
        ("lambda", "list_functions", "AccessDeniedException", 403),
        ("apigateway", "get_rest_apis", "AccessDeniedException", 403),
        ("iam", "list_roles", "AccessDenied", 403),
        ("ec2", "describe_vpcs", "UnauthorizedOperation", 403),
        ("s3", "list_buckets", "AccessDenied", 403),
        ("sns", "list_topics", "AuthorizationError", 403),
        ("cloudwatch", "describe_alarms", "AccessDenied", 400),
        ("logs", "describe_log_groups", "AccessDeniedException", 400),
    ],
)
def test_sdks_raise_their_errors_for_denials(cloud, service, operation, expected, status):
    client = cloud.client(service, cloud.user("nobody"))

    error = denial(getattr(client, operation))

    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (expected, status)
    assert "arn:aws:iam::123456789012:user/nobody is not authorized to perform: " in error["Error"]["Message"]


def test_a_denied_head_has_no_body(cloud, bucket):
    assert code(cloud.client("s3", cloud.user("nobody")).head_bucket, Bucket=BUCKET) == "403"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("sagemaker", "list_endpoints", "UnrecognizedClientException"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("ec2", "describe_vpcs", "AuthFailure"),
    ],
)
def test_unknown_access_keys_are_rejected(cloud, service, operation, expected):
    unknown = {"AccessKeyId": "AKIAUNKNOWN", "SecretAccessKey": "x"}

    assert code(getattr(cloud.client(service, unknown), operation)) == expected


def test_inactive_keys_and_deleted_roles_are_rejected(cloud):
    user = cloud.user("eve", allow("*"))
    role = cloud.role("power", {"AWS": ACCOUNT}, allow("*"))
    session = cloud.client("sts", user).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    assert cloud.client("iam", session).list_roles()

    tampered = {**session, "SessionToken": "forged"}
    assert code(cloud.client("iam", tampered).list_roles) == "InvalidClientTokenId"
    cloud.client("iam").delete_role_policy(RoleName="power", PolicyName="inline")
    cloud.client("iam").delete_role(RoleName="power")
    assert code(cloud.client("iam", session).list_roles) == "InvalidClientTokenId"
    cloud.client("iam").update_access_key(UserName="eve", AccessKeyId=user["AccessKeyId"], Status="Inactive")
    assert code(cloud.client("iam", user).list_roles) == "InvalidClientTokenId"


def test_get_caller_identity_is_always_allowed(cloud):
    assert cloud.client("sts", cloud.user("eve")).get_caller_identity()["Arn"].endswith(":user/eve")


def test_unmapped_operations_are_denied_with_a_reason(cloud):
    error = denial(cloud.client("secretsmanager", cloud.user("admin", allow("*"))).list_secrets)

    assert error["Error"]["Code"] == "AccessDeniedException"
    assert "the embedded cloud does not know its action: " in error["Error"]["Message"]


def test_unsupported_condition_keys_deny_with_a_reason(cloud, bucket):
    age_limit = {"NumericLessThan": {"s3:signatureAge": "1000"}}
    s3 = cloud.client("s3", cloud.user("eve", allow("s3:GetObject"), deny("s3:*", Condition=age_limit)))

    message = denial(s3.get_object, Bucket=BUCKET, Key="public/a")["Error"]["Message"]
    assert "does not support the condition key s3:signatureage of s3:GetObject" in message


def test_presigned_urls_have_the_signers_permissions(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("reader", READ_PUBLIC), Config(signature_version="s3v4"))

    def get(key):
        url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
        with urllib.request.urlopen(url) as response:
            return response.read()

    assert get("public/a") == b"hello"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get("private/a")


def test_parsed_bodies_reach_the_service(cloud):
    role = cloud.role("function", {"Service": "lambda.amazonaws.com"})
    code_zip = zipped(os.urandom(3_000_000))
    user = cloud.user("dev", allow(["lambda:CreateFunction", "iam:PassRole"]))

    created = cloud.client("lambda", user).create_function(
        FunctionName="f", Role=role, Runtime="python3.13", Handler="a.b", Code={"ZipFile": code_zip}
    )

    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(code_zip).digest()).decode()


def test_objects_can_have_any_content_type(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("writer", allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/mine")))
    form = {"ContentType": "application/x-www-form-urlencoded", "Body": b"Action=ListUsers&versionId=1"}

    s3.put_object(Bucket=BUCKET, Key="mine", **form)
    assert code(s3.put_object, Bucket=BUCKET, Key="other", **form) == "AccessDenied"


def test_compressed_bodies_are_parsed(cloud):
    condition = {"StringEquals": {"cloudwatch:namespace": "mine"}}
    user = cloud.user("agent", allow("cloudwatch:PutMetricData", Condition=condition))
    cloudwatch = cloud.client("cloudwatch", user)
    # Large enough for boto3 to compress it.
    metrics = [{"MetricName": f"metric-{number}", "Value": 1.0} for number in range(500)]

    cloudwatch.put_metric_data(Namespace="mine", MetricData=metrics)
    assert code(cloudwatch.put_metric_data, Namespace="other", MetricData=metrics) == "AccessDenied"


def test_irrelevant_bodies_are_not_buffered(capture):
    enforcement = Enforcement(enforced=True)
    events = []

    async def application(_, receive, send):
        events.append("application")
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200})

    async def receive():
        events.append("receive")
        return {"type": "http.request", "body": b"x", "more_body": len(events) < 5}

    async def send(_):
        events.append("response")

    scope, _ = capture("s3", "put_object", Bucket="b", Key="k", Body=b"")
    local = [(n, v.replace(b"AKIAEXAMPLE", b"local")) for n, v in scope["headers"]]
    asyncio.run(EnforceIamMiddleware(application, enforcement)({**scope, "headers": local}, receive, send))

    assert events == ["application", "receive", "receive", "receive", "receive", "response"]


@pytest.mark.parametrize(("key", "reaches"), [("execute-api/a/b", True), ("execute-api/a\nb", False)])
def test_only_routes_of_deployed_apis_are_exempt(capture, key, reaches):
    """A path with a line break matches no route, and moto would take it for an object."""
    reached = []

    async def application(scope, _, send):
        reached.append(scope["path"])

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(_):
        pass

    scope, _ = capture("s3", "get_object", Bucket="_aws", Key=key)
    asyncio.run(EnforceIamMiddleware(application, Enforcement(enforced=True))(scope, receive, send))

    assert bool(reached) is reaches


def test_nothing_is_denied_or_logged_unless_enforced(cloud):
    user = cloud.user("nobody")
    cloud.enforcement.log.clear()
    cloud.enforcement.enforced = False

    assert cloud.client("iam", user).list_roles()["Roles"] == []
    assert cloud.client("secretsmanager", user).list_secrets()["SecretList"] == []
    assert not cloud.enforcement.log.after(0)


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", content)
    return buffer.getvalue()
