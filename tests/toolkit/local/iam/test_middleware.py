"""What callers of the embedded cloud see when IAM is enforced."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import urllib.request
import zipfile

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.iam import ACCOUNT, allow, deny, document
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.middleware import EnforceIam

BUCKET = "models"
READ_PUBLIC = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/public/*", Sid="ReadPublic")
SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}


@pytest.fixture
def bucket(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="public/a", Body=b"hello")
    s3.put_object(Bucket=BUCKET, Key="private/a", Body=b"secret")
    return s3


def denial(call, *arguments, **parameters):
    """The error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response


def code(call, *arguments, **parameters):
    return denial(call, *arguments, **parameters)["Error"]["Code"]


def test_a_user_may_do_what_the_policy_says_and_nothing_else(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("reader", READ_PUBLIC))

    assert s3.get_object(Bucket=BUCKET, Key="public/a")["Body"].read() == b"hello"
    error = denial(s3.get_object, Bucket=BUCKET, Key="private/a")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Code"] == "AccessDenied"
    assert error["Error"]["Message"] == (
        "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::models/private/a" because no identity-based policy allows the s3:GetObject action'
    )


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
def test_denials_are_the_errors_that_sdks_know(cloud, service, operation, expected, status):
    client = cloud.client(service, cloud.user("nobody"))

    error = denial(getattr(client, operation))

    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (expected, status)
    assert "arn:aws:iam::123456789012:user/nobody is not authorized to perform: " in error["Error"]["Message"]


def test_a_denied_head_has_no_body(cloud, bucket):
    assert code(cloud.client("s3", cloud.user("nobody")).head_bucket, Bucket=BUCKET) == "403"


def test_an_explicit_denial_says_so(cloud, bucket):
    s3 = cloud.client(
        "s3", cloud.user("reader", allow("s3:*"), deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/private/*"))
    )

    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(s3.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_rights_come_from_groups_and_managed_policies_too(cloud, bucket):
    iam, keys = cloud.client("iam"), cloud.user("reader")
    s3 = cloud.client("s3", keys)
    arn = iam.create_policy(PolicyName="read", PolicyDocument=document(READ_PUBLIC))["Policy"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=arn)

    assert code(s3.get_object, Bucket=BUCKET, Key="public/a") == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="reader")
    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    # The default version counts.
    nothing = document(allow("s3:ListBucket"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=nothing, SetAsDefault=True)
    assert code(s3.get_object, Bucket=BUCKET, Key="public/a") == "AccessDenied"


def test_a_boundary_limits_a_role(cloud, bucket):
    boundary = cloud.client("iam").create_policy(PolicyName="limit", PolicyDocument=document(READ_PUBLIC))
    arn = boundary["Policy"]["Arn"]
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("power", {"AWS": ACCOUNT}, allow("*"), PermissionsBoundary=arn)
    session = cloud.client("sts", user).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    s3 = cloud.client("s3", session)

    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(s3.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/power/run is not authorized")
    assert message.endswith("because no permissions boundary allows the s3:GetObject action")


def test_a_boundary_limits_a_user(cloud, bucket):
    iam = cloud.client("iam")
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=document(READ_PUBLIC))["Policy"]["Arn"]
    s3 = cloud.client("s3", cloud.user("eve", allow("*"), PermissionsBoundary=arn))

    assert iam.get_user(UserName="eve")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert code(s3.get_object, Bucket=BUCKET, Key="private/a") == "AccessDenied"
    iam.delete_user_permissions_boundary(UserName="eve")
    assert s3.get_object(Bucket=BUCKET, Key="private/a")
    iam.put_user_permissions_boundary(UserName="eve", PermissionsBoundary=arn)
    assert code(s3.get_object, Bucket=BUCKET, Key="private/a") == "AccessDenied"


def test_roles_can_only_be_made_with_the_boundary_that_is_asked_for(cloud):
    arn = f"arn:aws:iam::{ACCOUNT}:policy/limit"
    condition = {"StringEquals": {"iam:PermissionsBoundary": arn}}
    user = cloud.user("deployer", allow(["iam:CreateRole", "iam:PutRolePolicy"], Condition=condition))
    cloud.client("iam").create_policy(PolicyName="limit", PolicyDocument=document(allow("s3:*")))
    cloud.role("free", SAGEMAKER)
    iam = cloud.client("iam", user)
    role = {"RoleName": "mine", "AssumeRolePolicyDocument": document()}

    assert code(iam.create_role, **role) == "AccessDenied"
    iam.create_role(**role, PermissionsBoundary=arn)
    policy = {"PolicyName": "p", "PolicyDocument": document(allow("s3:*"))}
    iam.put_role_policy(RoleName="mine", **policy)
    assert code(iam.put_role_policy, RoleName="free", **policy) == "AccessDenied"


def test_a_role_can_only_be_passed_to_the_service_that_is_allowed(cloud):
    role = cloud.role("exec", SAGEMAKER)
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    rights = [
        allow(["sagemaker:CreateModel", "lambda:CreateFunction"]),
        allow("iam:PassRole", role, Condition=to_sagemaker),
    ]
    user = cloud.user("deployer", *rights)

    model = cloud.client("sagemaker", user).create_model(
        ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "x"}
    )
    assert model["ModelArn"]
    function = {"FunctionName": "f", "Role": role, "Code": {"ZipFile": zipped()}, "Runtime": "python3.13"}
    error = denial(cloud.client("lambda", user).create_function, Handler="a.b", **function)
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert f"perform: iam:PassRole on resource: {role} because no identity-based" in error["Error"]["Message"]
    other = cloud.role("other", SAGEMAKER)
    create = cloud.client("sagemaker", user).create_model
    assert code(create, ModelName="n", ExecutionRoleArn=other, PrimaryContainer={"Image": "x"}) == (
        "AccessDeniedException"
    )


def test_tags_decide_where_a_policy_asks_for_them(cloud):
    mine = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    user = cloud.user("dev", allow("iam:GetRole", Condition=mine), Tags=[{"Key": "team", "Value": "a"}])
    cloud.role("ours", SAGEMAKER, Tags=[{"Key": "Team", "Value": "a"}])
    cloud.role("theirs", SAGEMAKER, Tags=[{"Key": "team", "Value": "b"}])
    iam = cloud.client("iam", user)

    assert iam.get_role(RoleName="ours")
    assert code(iam.get_role, RoleName="theirs") == "AccessDenied"


def test_new_resources_need_the_tags_that_a_policy_asks_for(cloud):
    tagged = {
        "StringEquals": {"aws:RequestTag/team": "a"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    user = cloud.user("dev", allow(["logs:CreateLogGroup", "logs:TagResource"], Condition=tagged))
    logs = cloud.client("logs", user)

    logs.create_log_group(logGroupName="/a", tags={"team": "a"})
    assert code(logs.create_log_group, logGroupName="/b") == "AccessDeniedException"
    assert code(logs.create_log_group, logGroupName="/b", tags={"team": "b"}) == "AccessDeniedException"
    both = {"team": "a", "more": "x"}
    assert code(logs.create_log_group, logGroupName="/b", tags=both) == "AccessDeniedException"


def test_a_buckets_policy_allows_and_denies(cloud, bucket):
    user = cloud.user("eve", allow("s3:GetObject"))
    arn = f"arn:aws:iam::{ACCOUNT}:user/eve"
    bucket.put_bucket_policy(
        Bucket=BUCKET,
        Policy=document(
            {**allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"), "Principal": {"AWS": arn}},
            {**deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/private/*"), "Principal": "*"},
            {**allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/public/*"), "Principal": "*"},
        ),
    )
    s3 = cloud.client("s3", user)

    s3.put_object(Bucket=BUCKET, Key="mine", Body=b"x")
    assert code(s3.get_object, Bucket=BUCKET, Key="private/a") == "AccessDenied"
    # It also stops the administrator, and opens the bucket to who does not sign.
    assert code(bucket.get_object, Bucket=BUCKET, Key="private/a") == "AccessDenied"
    with urllib.request.urlopen(f"{cloud.url}/{BUCKET}/public/a") as answer:
        assert answer.read() == b"hello"
    unsigned = cloud.client("s3", config=Config(signature_version=UNSIGNED))
    message = denial(unsigned.get_object, Bucket=BUCKET, Key="mine")["Error"]["Message"]
    assert message.startswith("User: anonymous is not authorized to perform: s3:GetObject")


def test_only_whom_a_role_trusts_can_assume_it(cloud):
    eve, bob = cloud.user("eve", allow("sts:AssumeRole")), cloud.user("bob")
    for_eve = cloud.role("for-eve", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"})
    for_all = cloud.role("for-all", {"AWS": ACCOUNT})

    cloud.client("sts", eve).assume_role(RoleArn=for_eve, RoleSessionName="run")
    cloud.client("sts", eve).assume_role(RoleArn=for_all, RoleSessionName="run")
    as_bob = cloud.client("sts", bob).assume_role
    message = denial(as_bob, RoleArn=for_eve, RoleSessionName="run")["Error"]["Message"]
    assert message.endswith("because no role trust policy allows the sts:AssumeRole action")
    assert code(as_bob, RoleArn=for_all, RoleSessionName="run") == "AccessDenied"
    missing = f"arn:aws:iam::{ACCOUNT}:role/missing"
    assert (
        code(cloud.client("sts", eve).assume_role, RoleArn=missing, RoleSessionName="run") == "AccessDenied"
    )


def test_a_session_policy_narrows_a_session(cloud, bucket):
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("reader", {"AWS": ACCOUNT}, allow("s3:*"))
    assume = cloud.client("sts", user).assume_role
    session = assume(RoleArn=role, RoleSessionName="run", Policy=document(READ_PUBLIC))["Credentials"]
    s3 = cloud.client("s3", session)

    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(s3.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.endswith("because no session policy allows the s3:GetObject action")


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
def test_keys_that_nobody_has_are_refused(cloud, service, operation, expected):
    unknown = {"AccessKeyId": "AKIAUNKNOWN", "SecretAccessKey": "x"}

    assert code(getattr(cloud.client(service, unknown), operation)) == expected


def test_keys_end_when_they_are_made_inactive_and_sessions_with_their_role(cloud):
    user = cloud.user("eve", allow("*"))
    role = cloud.role("power", {"AWS": ACCOUNT}, allow("*"))
    session = cloud.client("sts", user).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    assert cloud.client("iam", session).list_roles()

    forged = {**session, "SessionToken": "forged"}
    assert code(cloud.client("iam", forged).list_roles) == "InvalidClientTokenId"
    cloud.client("iam").delete_role_policy(RoleName="power", PolicyName="inline")
    cloud.client("iam").delete_role(RoleName="power")
    assert code(cloud.client("iam", session).list_roles) == "InvalidClientTokenId"
    cloud.client("iam").update_access_key(UserName="eve", AccessKeyId=user["AccessKeyId"], Status="Inactive")
    assert code(cloud.client("iam", user).list_roles) == "InvalidClientTokenId"


def test_everybody_may_ask_who_they_are(cloud):
    assert cloud.client("sts", cloud.user("eve")).get_caller_identity()["Arn"].endswith(":user/eve")


def test_what_is_not_mapped_is_denied_and_says_so(cloud):
    error = denial(cloud.client("dynamodb", cloud.user("admin", allow("*"))).list_tables)

    assert error["Error"]["Code"] == "AccessDeniedException"
    assert "the embedded cloud cannot tell what that needs: " in error["Error"]["Message"]


def test_conditions_that_cannot_be_told_deny_and_say_so(cloud, bucket):
    aged = {"NumericLessThan": {"s3:signatureAge": "1000"}}
    s3 = cloud.client("s3", cloud.user("eve", allow("s3:GetObject"), deny("s3:*", Condition=aged)))

    message = denial(s3.get_object, Bucket=BUCKET, Key="public/a")["Error"]["Message"]
    assert "does not know the condition key s3:signatureage of s3:GetObject" in message


def test_presigned_urls_have_the_rights_of_who_signed(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("reader", READ_PUBLIC), Config(signature_version="s3v4"))

    def get(key):
        url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
        with urllib.request.urlopen(url) as answer:
            return answer.read()

    assert get("public/a") == b"hello"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get("private/a")


def test_bodies_that_were_read_reach_the_service_whole(cloud):
    role = cloud.role("function", {"Service": "lambda.amazonaws.com"})
    code_zip = zipped(os.urandom(3_000_000))
    user = cloud.user("dev", allow(["lambda:CreateFunction", "iam:PassRole"]))

    created = cloud.client("lambda", user).create_function(
        FunctionName="f", Role=role, Runtime="python3.13", Handler="a.b", Code={"ZipFile": code_zip}
    )

    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(code_zip).digest()).decode()


def test_objects_may_be_of_any_type(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("writer", allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/mine")))
    form = {"ContentType": "application/x-www-form-urlencoded", "Body": b"Action=ListUsers&versionId=1"}

    s3.put_object(Bucket=BUCKET, Key="mine", **form)
    assert code(s3.put_object, Bucket=BUCKET, Key="other", **form) == "AccessDenied"


def test_compressed_bodies_are_read(cloud):
    condition = {"StringEquals": {"cloudwatch:namespace": "mine"}}
    user = cloud.user("agent", allow("cloudwatch:PutMetricData", Condition=condition))
    cloudwatch = cloud.client("cloudwatch", user)
    # So much that boto3 compresses it.
    many = [{"MetricName": f"metric-{number}", "Value": 1.0} for number in range(500)]

    cloudwatch.put_metric_data(Namespace="mine", MetricData=many)
    assert code(cloudwatch.put_metric_data, Namespace="other", MetricData=many) == "AccessDenied"


def test_bodies_that_do_not_matter_are_not_read_ahead(capture):
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
        events.append("answer")

    scope, _ = capture("s3", "put_object", Bucket="b", Key="k", Body=b"")
    local = [(n, v.replace(b"AKIAEXAMPLE", b"local")) for n, v in scope["headers"]]
    asyncio.run(EnforceIam(application, enforcement)({**scope, "headers": local}, receive, send))

    assert events == ["application", "receive", "receive", "receive", "receive", "answer"]


def test_nothing_is_denied_or_recorded_while_it_is_off(cloud):
    user = cloud.user("nobody")
    cloud.enforcement.log.clear()
    cloud.enforcement.enforced = False

    assert cloud.client("iam", user).list_roles()["Roles"] == []
    assert cloud.client("dynamodb", user).list_tables()["TableNames"] == []
    assert not cloud.enforcement.log.after(0)


def zipped(content=b"x"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", content)
    return buffer.getvalue()


def http(cloud, path, method="GET", body=None):
    request = urllib.request.Request(
        f"{cloud.url}{path}", method=method, data=json.dumps(body).encode() if body is not None else None
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")


def test_it_is_switched_over_http(cloud):
    assert http(cloud, "/_toolkit/iam") == {"enforce": True}
    assert http(cloud, "/_toolkit/iam", "POST", {"enforce": False}) == {"enforce": False}
    assert not cloud.enforcement.enforced
    with pytest.raises(urllib.error.HTTPError, match="400"):
        http(cloud, "/_toolkit/iam", "POST", {"enforce": "yes"})


def test_decisions_tell_what_was_asked_and_which_statements_allowed_it(cloud, bucket):
    user = cloud.user("reader", allow("s3:List*", Sid="List"), READ_PUBLIC)
    http(cloud, "/_toolkit/iam/decisions", "DELETE")
    s3 = cloud.client("s3", user)
    s3.get_object(Bucket=BUCKET, Key="public/a")
    code(s3.delete_object, Bucket=BUCKET, Key="public/a")
    bucket.list_objects_v2(Bucket=BUCKET)

    arn = f"arn:aws:iam::{ACCOUNT}:user/reader"
    allowed, denied = http(cloud, f"/_toolkit/iam/decisions?principal={arn}")["decisions"]

    assert (allowed["operation"], allowed["action"], allowed["resource"], allowed["allowed"]) == (
        "s3:GetObject", "s3:GetObject", "arn:aws:s3:::models/public/a", True,
    )  # fmt: skip
    assert allowed["statements"] == [
        {
            "kind": "identity-based policy",
            "policy": f"{arn}/inline",
            "sid": "ReadPublic",
            "index": 1,
            "effect": "Allow",
        }
    ]
    assert allowed["context"]["aws:username"] == ["reader"]
    assert (denied["action"], denied["allowed"], denied["statements"]) == ("s3:DeleteObject", False, [])
    later = http(cloud, f"/_toolkit/iam/decisions?after={denied['number']}")["decisions"]
    assert [item["principal"] for item in later] == [f"arn:aws:iam::{ACCOUNT}:root"]
