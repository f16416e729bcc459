"""Denied requests: resources of other environments, privilege escalation, foreign CI jobs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support import proof
from tests.support.cloud import LLAMA_IMAGE
from tests.support.deployers import ACCOUNT, PREFIX, REGION, Deployers
from tests.support.iam import oidc_token
from toolkit import iam
from toolkit.local.iam.mapping.reference import action as find_action

pytestmark = pytest.mark.e2e
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.mark.parametrize("name", iam.NAMES)
def test_printed_and_created_policies_are_equal(deployers: Deployers, name: str) -> None:
    deployers.write()  # the environment file of the bootstrap
    statements = []
    for part in deployers.parts(name):
        statements += json.loads(deployers.succeed("administrator", "iam", "show", part))["Statement"]
    assert statements == deployers.document(name)["Statement"]


def test_actions_exist(deployers: Deployers) -> None:
    for name in (*iam.NAMES, iam.BOUNDARY):
        for statement in deployers.document(name)["Statement"]:
            for action in proof.as_list(statement["Action"]):
                assert find_action(*action.split(":")) is not None, action


OTHER = "llm-other"
# Another environment whose prefix starts with this one's.
NEAR = f"{PREFIX}-b"
NEAR_VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{NEAR}-m/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture(scope="module")
def others(deployers: Deployers) -> dict[str, str]:
    """Resources of other environments, created by the administrator; ids by kind."""
    tags = {"deployment": NEAR}
    sagemaker, gateway = deployers.client("sagemaker"), deployers.client("apigateway")
    for name in (f"{OTHER}-m", f"{NEAR}-m"):
        tag_list = [{"Key": key, "Value": value} for key, value in tags.items()]
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=f"{ROLE}/HuggingfaceExecuteRole",
            PrimaryContainer={"Image": LLAMA_IMAGE},
            Tags=tag_list,
        )
    deployers.client("iam").create_role(
        RoleName=f"{OTHER}-gateway", AssumeRolePolicyDocument=json.dumps(TRUST), Tags=[]
    )
    deployers.client("s3").create_bucket(Bucket="llm-other-bucket")
    deployers.client("application-autoscaling").register_scalable_target(
        **NEAR_VARIANT, MinCapacity=1, MaxCapacity=2, Tags=tags
    )
    key = gateway.create_api_key(name=f"{NEAR}/default", enabled=True, tags=tags)["id"]
    api = gateway.create_rest_api(name=NEAR, tags=tags)["id"]
    own = gateway.create_rest_api(name="own", tags={"deployment": PREFIX})["id"]
    ids = {"key": key, "api": api, "own": own, "zone": deployers.zone}
    own_tags = {"deployment": PREFIX}
    ids["own_key"] = gateway.create_api_key(name=f"{PREFIX}/default", enabled=True, tags=own_tags)["id"]
    ids["own_plan"] = gateway.create_usage_plan(name=PREFIX, tags=own_tags)["id"]
    gateway.create_usage_plan_key(usagePlanId=ids["own_plan"], keyId=ids["own_key"], keyType="API_KEY")
    return ids


Call = Callable[[Callable[[str], Any], dict[str, str]], object]
VARIANT = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.c7i.large", "InitialInstanceCount": 1}


def _record(name: str, kind: str, value: str) -> dict[str, Any]:
    """A change of a DNS record."""
    records = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Changes": [{"Action": "CREATE", "ResourceRecordSet": records}]}


DENIED: dict[str, tuple[Call, str]] = {
    "an endpoint": (
        lambda client, _: client("sagemaker").delete_endpoint(EndpointName=f"{OTHER}-m"),
        "sagemaker:DeleteEndpoint",
    ),
    "invoking an endpoint": (
        lambda client, _: client("sagemaker-runtime").invoke_endpoint(EndpointName=f"{OTHER}-m", Body=b"{}"),
        "sagemaker:InvokeEndpoint",
    ),
    "a model with a similar prefix": (
        lambda client, _: client("sagemaker").delete_model(ModelName=f"{NEAR}-m"),
        "sagemaker:DeleteModel",
    ),
    "the tag of a model with a similar prefix": (
        lambda client, _: client("sagemaker").add_tags(
            ResourceArn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/{NEAR}-m",
            Tags=[{"Key": "deployment", "Value": PREFIX}],
        ),
        "sagemaker:AddTags",
    ),
    "autoscaling of an endpoint with a similar prefix": (
        lambda client, _: client("application-autoscaling").deregister_scalable_target(**NEAR_VARIANT),
        "application-autoscaling:DeregisterScalableTarget",
    ),
    "an endpoint configuration without the tag": (
        lambda client, _: client("sagemaker").create_endpoint_config(
            EndpointConfigName=f"{PREFIX}-m", ProductionVariants=[VARIANT]
        ),
        "sagemaker:CreateEndpointConfig",
    ),
    "a role": (
        lambda client, _: client("iam").delete_role(RoleName=f"{OTHER}-gateway"),
        "iam:DeleteRole",
    ),
    "a function's role without the boundary": (
        lambda client, _: client("iam").create_role(
            RoleName=f"{PREFIX}-gateway", AssumeRolePolicyDocument=json.dumps(TRUST)
        ),
        "iam:CreateRole",
    ),
    "permissions of a role": (
        lambda client, _: client("iam").put_role_policy(
            RoleName="HuggingfaceExecuteRole", PolicyName="p", PolicyDocument=json.dumps(ANYTHING)
        ),
        "iam:PutRolePolicy",
    ),
    "its own permissions": (
        lambda client, _: client("iam").put_user_policy(
            UserName="deployer", PolicyName="p", PolicyDocument=json.dumps(ANYTHING)
        ),
        "iam:PutUserPolicy",
    ),
    "its own policy": (
        lambda client, _: client("iam").create_policy_version(
            PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{PREFIX}-function-boundary",
            PolicyDocument=json.dumps(ANYTHING),
            SetAsDefault=True,
        ),
        "iam:CreatePolicyVersion",
    ),
    "a function": (
        lambda client, _: client("lambda").delete_function(FunctionName=f"{OTHER}-gateway"),
        "lambda:DeleteFunction",
    ),
    "the execution role for a function": (
        lambda client, _: client("lambda").create_function(
            FunctionName=f"{PREFIX}-gateway",
            Role=f"{ROLE}/HuggingfaceExecuteRole",
            Runtime="python3.13",
            Handler="h",
            Code={"ZipFile": b""},
        ),
        "iam:PassRole",
    ),
    "a bucket": (
        lambda client, _: client("s3").put_object(Bucket="llm-other-bucket", Key="k", Body=b""),
        "s3:PutObject",
    ),
    "another environment's state": (
        lambda client, _: client("s3").get_object(
            Bucket=f"llm-state-{ACCOUNT}-{REGION}", Key="other/inference.tfstate"
        ),
        "s3:GetObject",
    ),
    "the account's state": (
        lambda client, _: client("s3").get_object(
            Bucket=f"llm-state-{ACCOUNT}-{REGION}", Key="account/terraform.tfstate"
        ),
        "s3:GetObject",
    ),
    "an API key": (
        lambda client, ids: client("apigateway").get_api_key(apiKey=ids["key"], includeValue=True),
        "apigateway:GET",
    ),
    "an API": (
        lambda client, ids: client("apigateway").delete_rest_api(restApiId=ids["api"]),
        "apigateway:DELETE",
    ),
    "the resource policy of a public API": (
        lambda client, ids: client("apigateway").put_rest_api(
            restApiId=ids["own"], body=b'{"x-amazon-apigateway-policy": {}}'
        ),
        "apigateway:UpdateRestApiPolicy",
    ),
    "a domain": (
        lambda client, _: client("apigateway").delete_domain_name(domainName="other.example.com"),
        "apigateway:DELETE",
    ),
    "another name in the hosted zone": (
        lambda client, ids: client("route53").change_resource_record_sets(
            HostedZoneId=ids["zone"], ChangeBatch=_record("other.example.com", "A", "192.0.2.1")
        ),
        "route53:ChangeResourceRecordSets",
    ),
    "another kind of record for the domain": (
        lambda client, ids: client("route53").change_resource_record_sets(
            HostedZoneId=ids["zone"], ChangeBatch=_record("llm.example.com", "TXT", '"x"')
        ),
        "route53:ChangeResourceRecordSets",
    ),
}


@pytest.mark.parametrize("case", DENIED)
def test_foreign_resources_are_denied_with_awss_message(
    deployers: Deployers, others: dict[str, str], case: str
) -> None:
    call, action = DENIED[case]
    with pytest.raises(ClientError) as caught:
        call(lambda service: deployers.client(service, "deployer"), others)
    error = caught.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException")
    assert re.fullmatch(
        rf"User: arn:aws:iam::{ACCOUNT}:user/deployer is not authorized to perform: {action} on resource: "
        rf"\S+ because no identity-based policy allows the {action} action",
        error["Message"],
    )


GITHUB = "token.actions.githubusercontent.com"


def _session(
    deployers: Deployers, subject: str, audience: str = "sts.amazonaws.com", role: str = "viewer"
) -> boto3.Session:
    """A session for a GitHub token."""
    claims = {"iss": f"https://{GITHUB}", "sub": subject, "aud": audience, "exp": time.time() + 600}
    token = oidc_token(claims, deployers.toolkit.cloud.root_key[1])
    sts = boto3.client(
        "sts", endpoint_url=deployers.url, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )
    credentials = sts.assume_role_with_web_identity(
        RoleArn=f"{ROLE}/{PREFIX}-ci-{role}", RoleSessionName="job", WebIdentityToken=token
    )["Credentials"]
    keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
    return boto3.Session(*keys, region_name=REGION)


@pytest.mark.parametrize(
    "of", ["ref:refs/heads/main", "ref:refs/heads/release/1.2", "environment:production"]
)
def test_ci_jobs_have_only_their_roles_policies(deployers: Deployers, of: str) -> None:
    lambda_ = _session(deployers, f"repo:example/llm:{of}").client("lambda", endpoint_url=deployers.url)
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.get_function(FunctionName=f"{PREFIX}-gateway")
    with pytest.raises(ClientError, match="is not authorized to perform: lambda:DeleteFunction"):
        lambda_.delete_function(FunctionName=f"{PREFIX}-gateway")


LOG = {"logGroupName": f"/aws/lambda/{PREFIX}-gateway"}
SECRET: dict[str, tuple[Call, str]] = {
    "values of all keys": (
        lambda client, _: client("apigateway").get_api_keys(includeValues=True),
        "apigateway:GET",
    ),
    "the value of a key": (
        lambda client, ids: client("apigateway").get_api_key(apiKey=ids["own_key"], includeValue=True),
        "apigateway:GET",
    ),
    "values of a usage plan": (
        lambda client, ids: client("apigateway").get_usage_plan_keys(usagePlanId=ids["own_plan"]),
        "apigateway:GET",
    ),
    "one value of a usage plan": (
        lambda client, ids: client("apigateway").get_usage_plan_key(
            usagePlanId=ids["own_plan"], keyId=ids["own_key"]
        ),
        "apigateway:GET",
    ),
    "log events": (
        lambda client, _: client("logs").filter_log_events(**LOG),
        "logs:FilterLogEvents",
    ),
    "a log stream": (
        lambda client, _: client("logs").get_log_events(**LOG, logStreamName="s"),
        "logs:GetLogEvents",
    ),
    "captured prompts": (
        lambda client, _: client("s3").get_object(Bucket=f"llm-models-{ACCOUNT}-{REGION}", Key="k"),
        "s3:GetObject",
    ),
    "responses of a model": (
        lambda client, _: client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=f"{PREFIX}-chat", Body=b"{}"
        ),
        "sagemaker:InvokeEndpointWithResponseStream",
    ),
}


@pytest.fixture(scope="module")
def pull_request(deployers: Deployers) -> boto3.Session:
    """A session of a pull request's job, in a repository whose tokens contain ids."""
    return _session(deployers, "repo:example@123456/llm@456789:pull_request", role="plan")


@pytest.mark.parametrize("case", SECRET)
def test_pull_requests_read_no_keys_logs_and_prompts(
    deployers: Deployers, others: dict[str, str], pull_request: boto3.Session, case: str
) -> None:
    call, action = SECRET[case]
    # The denial is specific: the job can read the usage plan.
    gateway = pull_request.client("apigateway", endpoint_url=deployers.url)
    assert gateway.get_usage_plan(usagePlanId=others["own_plan"])["name"] == PREFIX
    with pytest.raises(ClientError, match=f"is not authorized to perform: {action}"):
        call(lambda service: pull_request.client(service, endpoint_url=deployers.url), others)


@pytest.mark.parametrize(
    ("subject", "audience"),
    [
        ("repo:example/llm:ref:refs/heads/feature", "sts.amazonaws.com"),
        ("repo:example/llm:pull_request", "sts.amazonaws.com"),
        ("repo:example/llm-fork:ref:refs/heads/main", "sts.amazonaws.com"),
        ("repo:other/llm:environment:production", "sts.amazonaws.com"),
        ("repo:example/llm:ref:refs/heads/main", "https://github.com/example"),
    ],
)
def test_other_ci_jobs_cannot_assume_the_role(deployers: Deployers, subject: str, audience: str) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied|Incorrect token audience"):
        _session(deployers, subject, audience)
