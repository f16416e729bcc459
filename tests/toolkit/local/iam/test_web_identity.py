"""Roles that CI assumes with an OIDC token."""

from __future__ import annotations

import time

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.iam import ACCOUNT, allow, document, oidc_token, trust

ISSUER = "token.actions.githubusercontent.com"
PROVIDER = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}
CONDITION = {
    "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"},
    "StringLike": {f"{ISSUER}:sub": "repo:org/llm:ref:refs/heads/*"},
}
CLAIMS = {
    "iss": f"https://{ISSUER}",
    "aud": "sts.amazonaws.com",
    "sub": "repo:org/llm:ref:refs/heads/main",
    "repository": "org/llm",
}


@pytest.fixture
def assume(cloud):
    iam = cloud.client("iam")
    iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40]
    )
    statement = trust(PROVIDER, "sts:AssumeRoleWithWebIdentity", Condition=CONDITION)
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=document(statement))
    iam.put_role_policy(RoleName="ci", PolicyName="p", PolicyDocument=document(allow("iam:ListRoles")))
    sts = cloud.client("sts", config=Config(signature_version=UNSIGNED))

    def call(web_identity_token=None, **claims):
        content = {"exp": time.time() + 300, **CLAIMS, **claims}
        return sts.assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/ci",
            RoleSessionName="run-1",
            WebIdentityToken=web_identity_token or oidc_token(content, cloud.root_key[1]),
        )["Credentials"]

    return call


def test_a_trusted_token_gets_the_roles_permissions(cloud, assume):
    session = assume()

    assert cloud.client("iam", session).list_roles()["Roles"]
    with pytest.raises(
        ClientError, match="assumed-role/ci/run-1 is not authorized to perform: iam:ListUsers"
    ):
        cloud.client("iam", session).list_users()


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"sub": "repo:org/other:ref:refs/heads/main"}, "AccessDenied"),
        ({"sub": "repo:org/llm:pull_request"}, "AccessDenied"),
        ({"aud": "somebody else"}, "InvalidIdentityToken"),
        ({"iss": "https://token.example.com"}, "InvalidIdentityToken"),
        ({"exp": 1}, "ExpiredToken"),
    ],
)
def test_untrusted_tokens_are_rejected(assume, claims, expected):
    with pytest.raises(ClientError) as caught:
        assume(**claims)

    assert caught.value.response["Error"]["Code"].startswith(expected)


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    "forged",
    ["no token", oidc_token({"exp": 4e9, **CLAIMS}, "guessed"), oidc_token(CLAIMS, "").rpartition(".")[0]],
)
def test_forged_tokens_are_rejected(cloud, assume, forged, enforced):
    cloud.enforcement.enforced = enforced
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        assume(forged)


def test_only_documented_claims_are_condition_keys(cloud, assume):
    condition = {**CONDITION, "StringEquals": {f"{ISSUER}:invented": "x"}}
    statement = trust(PROVIDER, "sts:AssumeRoleWithWebIdentity", Condition=condition)
    cloud.client("iam").update_assume_role_policy(RoleName="ci", PolicyDocument=document(statement))

    with pytest.raises(ClientError, match="AccessDenied"):
        assume(invented="x")
