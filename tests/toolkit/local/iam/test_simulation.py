"""SimulatePrincipalPolicy through boto3."""

from __future__ import annotations

from typing import Any

from tests.support.iam import ACCOUNT, allow, deny, document
from tests.toolkit.local.iam.conftest import BUCKET, code

OBJECT = f"arn:aws:s3:::{BUCKET}/a"
REGIONAL = {"Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}
REGION = {
    "ContextKeyName": "aws:RequestedRegion",
    "ContextKeyType": "string",
    "ContextKeyValues": ["us-east-1"],
}


def decisions(iam: Any, arn: str, *actions: str, **members: Any) -> dict[str, str]:
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=actions, ResourceArns=[OBJECT], **members
    )["EvaluationResults"]
    return {result["EvalActionName"]: result["EvalDecision"] for result in results}


def test_it_tells_what_the_policies_of_a_user_decide(cloud: Any) -> None:
    cloud.user("ann", allow("s3:*", OBJECT), deny("s3:DeleteObject", OBJECT))
    assert decisions(
        cloud.client("iam"),
        f"arn:aws:iam::{ACCOUNT}:user/ann",
        "s3:GetObject",
        "s3:DeleteObject",
        "lambda:GetFunction",
    ) == {"s3:GetObject": "allowed", "s3:DeleteObject": "explicitDeny", "lambda:GetFunction": "implicitDeny"}


def test_condition_keys_are_those_that_the_caller_passes(cloud: Any) -> None:
    arn = cloud.role("bo", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, allow("s3:GetObject", OBJECT, **REGIONAL))
    iam = cloud.client("iam")
    assert decisions(iam, arn, "s3:GetObject", ContextEntries=[REGION]) == {"s3:GetObject": "allowed"}
    assert decisions(iam, arn, "s3:GetObject") == {"s3:GetObject": "implicitDeny"}
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:GetObject"], ResourceArns=[OBJECT]
    )["EvaluationResults"]
    assert result["MissingContextValues"] == ["aws:RequestedRegion"]


def test_a_permissions_boundary_limits_the_user(cloud: Any) -> None:
    iam = cloud.client("iam")
    arn = iam.create_policy(PolicyName="b", PolicyDocument=document(allow("lambda:*")))["Policy"]["Arn"]
    cloud.user("cy", allow("s3:*"), PermissionsBoundary=arn)
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/cy", ActionNames=["s3:GetObject"]
    )["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_it_needs_the_permission_and_an_identity(cloud: Any) -> None:
    key, iam = cloud.user("di"), cloud.client("iam")
    source = {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/di", "ActionNames": ["s3:GetObject"]}
    assert code(cloud.client("iam", key).simulate_principal_policy, **source) == "AccessDenied"
    unknown = {**source, "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/none"}
    assert code(iam.simulate_principal_policy, **unknown) == "NoSuchEntity"
    session = {**source, "PolicySourceArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/none/di"}
    assert code(iam.simulate_principal_policy, **session) == "InvalidInput"
