"""Permissions over HTTP: policies, boundaries, tags, resource policies and sessions."""

from __future__ import annotations

import urllib.error
import urllib.request

from botocore import UNSIGNED
from botocore.config import Config

from tests.support.iam import ACCOUNT, allow, deny, document
from tests.toolkit.local.iam.conftest import BUCKET, READ_PUBLIC, code, denial

SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}


def test_a_user_has_the_permissions_of_the_policy_only(cloud, bucket):
    s3 = cloud.client("s3", cloud.user("reader", READ_PUBLIC))

    assert s3.get_object(Bucket=BUCKET, Key="public/a")["Body"].read() == b"hello"
    error = denial(s3.get_object, Bucket=BUCKET, Key="private/a")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Code"] == "AccessDenied"
    assert error["Error"]["Message"] == (
        "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::models/private/a" because no identity-based policy allows the s3:GetObject action'
    )


def test_an_explicit_deny_is_reported(cloud, bucket):
    s3 = cloud.client(
        "s3", cloud.user("reader", allow("s3:*"), deny("s3:GetObject", f"arn:aws:s3:::{BUCKET}/private/*"))
    )

    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(s3.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_groups_and_managed_policies_grant_permissions(cloud, bucket):
    iam, keys = cloud.client("iam"), cloud.user("reader")
    s3 = cloud.client("s3", keys)
    arn = iam.create_policy(PolicyName="read", PolicyDocument=document(READ_PUBLIC))["Policy"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=arn)

    assert code(s3.get_object, Bucket=BUCKET, Key="public/a") == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="reader")
    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    # The default version applies.
    only_list = document(allow("s3:ListBucket"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=only_list, SetAsDefault=True)
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


def test_a_policy_can_require_a_boundary_for_new_roles(cloud):
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


def test_a_policy_can_limit_pass_role_to_a_service(cloud):
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
    function = {"FunctionName": "f", "Role": role, "Code": {"ZipFile": b"zip"}, "Runtime": "python3.13"}
    error = denial(cloud.client("lambda", user).create_function, Handler="a.b", **function)
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert f"perform: iam:PassRole on resource: {role} because no identity-based" in error["Error"]["Message"]
    other = cloud.role("other", SAGEMAKER)
    create = cloud.client("sagemaker", user).create_model
    assert code(create, ModelName="n", ExecutionRoleArn=other, PrimaryContainer={"Image": "x"}) == (
        "AccessDeniedException"
    )


def test_policies_can_check_resource_tags(cloud):
    condition = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    user = cloud.user("dev", allow("iam:GetRole", Condition=condition), Tags=[{"Key": "team", "Value": "a"}])
    cloud.role("ours", SAGEMAKER, Tags=[{"Key": "Team", "Value": "a"}])
    cloud.role("theirs", SAGEMAKER, Tags=[{"Key": "team", "Value": "b"}])
    iam = cloud.client("iam", user)

    assert iam.get_role(RoleName="ours")
    assert code(iam.get_role, RoleName="theirs") == "AccessDenied"


def test_policies_can_require_tags_of_new_resources(cloud):
    tagged = {
        "StringEquals": {"aws:RequestTag/team": "a"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    user = cloud.user("dev", allow(["logs:CreateLogGroup", "logs:TagResource"], Condition=tagged))
    logs = cloud.client("logs", user)

    logs.create_log_group(logGroupName="/a", tags={"team": "a"})
    assert code(logs.create_log_group, logGroupName="/b") == "AccessDeniedException"
    assert code(logs.create_log_group, logGroupName="/b", tags={"team": "b"}) == "AccessDeniedException"
    tags = {"team": "a", "more": "x"}
    assert code(logs.create_log_group, logGroupName="/b", tags=tags) == "AccessDeniedException"


def test_a_bucket_policy_allows_and_denies(cloud, bucket):
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
    # It also denies the root user, and allows anonymous callers.
    assert code(bucket.get_object, Bucket=BUCKET, Key="private/a") == "AccessDenied"
    with urllib.request.urlopen(f"{cloud.url}/{BUCKET}/public/a") as response:
        assert response.read() == b"hello"
    unsigned = cloud.client("s3", config=Config(signature_version=UNSIGNED))
    message = denial(unsigned.get_object, Bucket=BUCKET, Key="mine")["Error"]["Message"]
    assert message.startswith("User: anonymous is not authorized to perform: s3:GetObject")


def test_a_trust_policy_limits_who_assumes_a_role(cloud):
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


def test_a_session_policy_limits_a_session(cloud, bucket):
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("reader", {"AWS": ACCOUNT}, allow("s3:*"))
    assume = cloud.client("sts", user).assume_role
    session = assume(RoleArn=role, RoleSessionName="run", Policy=document(READ_PUBLIC))["Credentials"]
    s3 = cloud.client("s3", session)

    assert s3.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(s3.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.endswith("because no session policy allows the s3:GetObject action")


def test_managed_policies_limit_a_session_and_extend_nothing(cloud, bucket):
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("reader", {"AWS": ACCOUNT}, allow("s3:GetObject"))
    create = cloud.client("iam").create_policy
    statements = {"public": READ_PUBLIC, "writer": allow("s3:PutObject")}
    arns = [
        create(PolicyName=name, PolicyDocument=document(statement))["Policy"]["Arn"]
        for name, statement in statements.items()
    ]
    missing = f"arn:aws:iam::{ACCOUNT}:policy/missing"

    def s3(*policies):
        parameters = {
            "RoleArn": role,
            "RoleSessionName": "run",
            "PolicyArns": [{"arn": arn} for arn in policies],
        }
        return cloud.client("s3", cloud.client("sts", user).assume_role(**parameters)["Credentials"])

    limited = s3(*arns)
    assert limited.get_object(Bucket=BUCKET, Key="public/a")
    message = denial(limited.get_object, Bucket=BUCKET, Key="private/a")["Error"]["Message"]
    assert message.endswith("because no session policy allows the s3:GetObject action")
    message = denial(limited.put_object, Bucket=BUCKET, Key="public/a", Body=b"")["Error"]["Message"]
    assert message.endswith("because no identity-based policy allows the s3:PutObject action")
    assert denial(s3(missing).get_object, Bucket=BUCKET, Key="public/a")
