"""Authorization of services: with a passed role, or as a service principal."""

from __future__ import annotations

import pytest

from tests.support.iam import ACCOUNT, allow, document
from toolkit.local.iam.enforcement import DeniedError

LAMBDA = {"Service": "lambda.amazonaws.com"}
MODEL = "arn:aws:s3:::store/model/weights.gguf"


def test_a_role_has_its_permissions(cloud):
    role = cloud.role(
        "exec", {"Service": "sagemaker.amazonaws.com"}, allow("s3:GetObject", "arn:aws:s3:::store/*")
    )
    caller = cloud.enforcement.role(role, "SageMaker")

    assert cloud.enforcement.allowed(caller, "s3:GetObject", MODEL).allowed
    denied = cloud.enforcement.allowed(caller, "s3:GetObject", "arn:aws:s3:::other/x")
    assert not denied.allowed
    assert denied.message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/exec/SageMaker is not authorized to perform: "
        's3:GetObject on resource: "arn:aws:s3:::other/x" because no identity-based policy allows the '
        "s3:GetObject action"
    )


def test_the_context_of_a_service_is_evaluated(cloud):
    namespace = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
    role = cloud.role("exec", LAMBDA, allow("cloudwatch:PutMetricData", Condition=namespace))
    caller = cloud.enforcement.role(role, "SageMaker")

    def may_put(name):
        key = {"cloudwatch:namespace": name}
        return cloud.enforcement.allowed(caller, "cloudwatch:PutMetricData", "*", key).allowed

    assert may_put("/aws/sagemaker/Endpoints")
    assert not may_put("Custom")


def test_a_bucket_policy_denies_insecure_requests(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {
        **allow("s3:*", "arn:aws:s3:::store/*"),
        "Effect": "Deny",
        "Principal": "*",
        "Condition": insecure,
    }
    s3.put_bucket_policy(Bucket="store", Policy=document(statement))
    role = cloud.role("exec", LAMBDA, allow("s3:GetObject"))
    caller = cloud.enforcement.role(role, "SageMaker")

    assert cloud.enforcement.allowed(caller, "s3:GetObject", MODEL).allowed
    denied = cloud.enforcement.allowed(caller, "s3:GetObject", MODEL, {"aws:SecureTransport": "false"})
    assert denied.reason == "with an explicit deny in a resource-based policy"


def test_a_function_policy_allows_one_api(cloud):
    role = cloud.role("function", LAMBDA)
    functions = cloud.client("lambda")
    arn = functions.create_function(
        FunctionName="f", Role=role, Runtime="python3.13", Handler="a.b", Code={"ZipFile": b"zip"}
    )["FunctionArn"]
    source = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1/live/POST/v1/chat/completions"
    functions.add_permission(
        FunctionName="f",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1/*",
    )

    def may_invoke(service, source_arn):
        caller, keys = cloud.enforcement.service(service), {"aws:SourceArn": source_arn}
        return cloud.enforcement.allowed(caller, "lambda:InvokeFunction", arn, keys).allowed

    assert may_invoke("apigateway.amazonaws.com", source)
    assert not may_invoke("apigateway.amazonaws.com", source.replace("api1", "api2"))
    assert not may_invoke("events.amazonaws.com", source)


def test_role_credentials_have_the_roles_permissions(cloud):
    role = cloud.role(
        "function", LAMBDA, allow("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:*:*:endpoint/mine")
    )
    issued = cloud.enforcement.issue_role_credentials(role, "lambda.amazonaws.com", "f")
    keys = issued.environment()
    session = {
        "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": keys["AWS_SESSION_TOKEN"],
    }

    identity = cloud.client("sts", session).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/f"
    runtime = cloud.client("sagemaker-runtime", session)
    with pytest.raises(runtime.exceptions.ClientError, match=r"AccessDeniedException.*endpoint/other"):
        runtime.invoke_endpoint(EndpointName="other", Body=b"{}")


def test_an_untrusting_role_issues_no_credentials(cloud):
    role = cloud.role("exec", {"Service": "sagemaker.amazonaws.com"})

    with pytest.raises(DeniedError, match="no role trust policy allows the sts:AssumeRole action"):
        cloud.enforcement.issue_role_credentials(role, "lambda.amazonaws.com", "f")


def test_trust_can_be_limited_to_the_account(cloud):
    iam = cloud.client("iam")

    def credentials_of_role_for(account):
        statement = {
            "Effect": "Allow",
            "Principal": LAMBDA,
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
        name = f"for-{account}"
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(statement))["Role"]["Arn"]
        return cloud.enforcement.issue_role_credentials(arn, "lambda.amazonaws.com", "f")

    assert credentials_of_role_for(ACCOUNT)
    with pytest.raises(DeniedError):
        credentials_of_role_for("999999999999")


def test_everything_is_allowed_unless_enforced(cloud):
    role = cloud.role("exec", LAMBDA)
    cloud.enforcement.enforced = False

    assert cloud.enforcement.allowed(cloud.enforcement.role(role, "s"), "s3:GetObject", MODEL).allowed
    assert cloud.enforcement.issue_role_credentials(role, "sagemaker.amazonaws.com", "s")


def test_unknown_actions_raise(cloud):
    caller = cloud.enforcement.service("lambda.amazonaws.com")

    with pytest.raises(LookupError):
        cloud.enforcement.allowed(caller, "s3:ReadObject", MODEL)


def test_services_can_provide_tags(cloud):
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/mine"
    cloud.enforcement.account.tags.add_source(
        "sagemaker", lambda request: {"team": "a"} if request.resource == "endpoint/mine" else None
    )
    condition = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    role = cloud.role("exec", LAMBDA, allow("sagemaker:InvokeEndpoint", Condition=condition))
    caller = cloud.enforcement.role(role, "s")

    assert cloud.enforcement.allowed(caller, "sagemaker:InvokeEndpoint", arn).allowed
    assert not cloud.enforcement.allowed(caller, "sagemaker:InvokeEndpoint", f"{arn}-not").allowed
