"""IAM and STS."""

from __future__ import annotations

import json

import boto3
from botocore.exceptions import ClientError

from tests.support.cloudprocess import zipped
from tests.support.iam import document, trust
from tests.toolkit.local.recorded.lab import ACCOUNT, REGION, Lab, error_text
from tests.toolkit.local.recorded.replays.base import REPLAYS, ask, replay
from tests.toolkit.local.recorded.replays.functions import FUNCTION


@replay("delete_role with inline policies")
def delete_role(lab: Lab) -> str:
    iam, name = lab.client("iam"), lab.name()
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=document(trust({"Service": "lambda.amazonaws.com"}))
    )
    policy = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(policy))
    return lab.ask("iam", "delete_role", RoleName=name)


@replay("detach_role_policy unknown")
def detach(lab: Lab) -> str:
    _ = lab.role
    arn = "arn:aws:iam::aws:policy/AdministratorAccessDoesNotExist"
    return lab.ask("iam", "detach_role_policy", RoleName="fid-lambda", PolicyArn=arn)


NO_SUCH = f"arn:aws:iam::{ACCOUNT}:role/fid-no-such"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/accounts.google.com"


REPLAYS |= {
    "get_role unknown": ask("iam", "get_role", RoleName="nope"),
    "get_policy unknown": ask("iam", "get_policy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/nope"),
    "get_open_id_connect_provider unknown": ask(
        "iam", "get_open_id_connect_provider", OpenIDConnectProviderArn=PROVIDER
    ),
    "malformed policy document": ask(
        *("iam", "create_policy"),
        PolicyName="fid-p",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}
        ),
    ),
    "trust policy for a principal that is not there": ask(
        "iam", "create_role", RoleName="fid-tr", AssumeRolePolicyDocument=document(trust({"AWS": NO_SUCH}))
    ),
    "apigateway.get_account": lambda lab: lab.as_user("apigateway", "get_account"),
    "sagemaker-runtime.invoke_endpoint": lambda lab: lab.as_user(
        "sagemaker-runtime", "invoke_endpoint", EndpointName="x", Body=b""
    ),
    "sts.assume_role": lambda lab: lab.as_user("sts", "assume_role", RoleArn=lab.role, RoleSessionName="ab"),
}


@replay("s3.get_object")
def get_object(lab: Lab) -> str:
    lab.client("s3").create_bucket(Bucket="fid-bucket")
    lab.client("s3").put_object(Bucket="fid-bucket", Key="x", Body=b"")
    return lab.as_user("s3", "get_object", Bucket="fid-bucket", Key="x")


@replay("unknown access key: sagemaker")
def unknown_key(lab: Lab) -> str:

    keys = {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00", "aws_secret_access_key": "x"}
    client = boto3.client("sagemaker", endpoint_url=lab.cloud.endpoint_url, region_name=REGION, **keys)  # type: ignore[call-overload]
    try:
        client.list_models()
    except ClientError as error:
        return error_text(error)
    return "accepted"


@replay("lambda.create_function")
def pass_role(lab: Lab) -> str:
    policy = {"Effect": "Allow", "Action": "lambda:CreateFunction", "Resource": "*"}
    _ = lab.user
    lab.client("iam").put_user_policy(
        UserName="fid-user", PolicyName="create", PolicyDocument=document(policy)
    )
    code = {"ZipFile": zipped({"app.py": ""})}
    try:
        return lab.as_user(
            "lambda", "create_function", FunctionName="fid-pass", Role=lab.role, Code=code, **FUNCTION
        )
    finally:
        lab.client("iam").delete_user_policy(UserName="fid-user", PolicyName="create")


REPLAYS |= {
    "assume_role: malformed session name": ask(
        "sts", "assume_role", RoleArn=NO_SUCH, RoleSessionName="Session1:2"
    ),
}
