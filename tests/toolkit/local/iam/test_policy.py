from __future__ import annotations

import json

import pytest

from tests.support.iam import ACCOUNT, Keys, allow, deny, document, policy
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.policy import Effect, Reach, parse_policy
from toolkit.local.iam.principals import Principal, PrincipalKind

USER = Principal(PrincipalKind.USER, f"arn:aws:iam::{ACCOUNT}:user/eve", ACCOUNT, "eve")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/path/ci"
SESSION = Principal(
    PrincipalKind.SESSION, f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run", ACCOUNT, "run", role_arn=ROLE_ARN
)
SERVICE = Principal.service("lambda.amazonaws.com")
TOKEN = Principal.federated(f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com")


def test_statements_have_their_index_and_sid():
    parsed = policy(allow("s3:GetObject", Sid="Read"), deny("s3:*"), name="p")

    assert [(item.sid, item.index, item.effect) for item in parsed.statements] == [
        ("Read", 0, Effect.ALLOW),
        ("", 1, Effect.DENY),
    ]


def test_a_single_statement_needs_no_list():
    parsed = parse_policy(json.dumps({"Version": "2012-10-17", "Statement": allow("s3:GetObject")}), "p")

    assert len(parsed.statements) == 1


@pytest.mark.parametrize(
    ("statement", "action", "resource", "expected"),
    [
        (allow("s3:GetObject", "*"), "s3:GetObject", "arn:aws:s3:::b/k", True),
        (allow("s3:getobject", "*"), "s3:GetObject", "arn:aws:s3:::b/k", True),
        (allow("s3:Get*", "*"), "s3:GetObject", "arn:aws:s3:::b/k", True),
        (allow("s3:Get*", "*"), "s3:PutObject", "arn:aws:s3:::b/k", False),
        (allow("*", "*"), "iam:PassRole", "arn:aws:iam::1:role/r", True),
        (
            allow(["s3:ListBucket", "s3:GetObject"], ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            True,
        ),
        (
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            True,
        ),
        (
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
            "iam:GetRole",
            "arn:aws:iam::1:role/r",
            False,
        ),
        (
            {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::b/*"]},
            "s3:GetObject",
            "arn:aws:s3:::c/k",
            True,
        ),
        (
            {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::b/*"]},
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            False,
        ),
        (allow("sagemaker:List*", "arn:aws:sagemaker:*:*:endpoint/*"), "sagemaker:ListEndpoints", "*", False),
    ],
)
def test_actions_and_resources(statement, action, resource, expected):
    (parsed,) = policy(statement).statements

    assert parsed.applies(action, resource, Keys()) == expected


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"Version": "2020-01-01", "Statement": []}',
        '{"Statement": ["Allow"]}',
        document({"Action": "s3:*", "Resource": "*"}),
        document({"Effect": "allow", "Action": "s3:*", "Resource": "*"}),
        document({"Effect": "Allow", "Resource": "*"}),
        document({"Effect": "Allow", "Action": "s3:*", "NotAction": "s3:*", "Resource": "*"}),
        document({"Effect": "Allow", "Action": "GetObject", "Resource": "*"}),
        document({"Effect": "Allow", "Action": [], "Resource": "*"}),
        document({"Effect": "Allow", "Action": "s3:*", "Resource": {"a": 1}}),
        document({"Effect": "Allow", "Action": "s3:*", "Resources": "*"}),
        document({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Is": {"aws:a": "b"}}}),
        document({"Effect": "Allow", "Action": "s3:*", "Principal": "me"}),
    ],
)
def test_an_invalid_policy_is_an_error_with_its_name(content):
    with pytest.raises(PolicyError, match="policy mine:"):
        parse_policy(content, "mine")


@pytest.mark.parametrize(
    ("principal", "caller", "reach"),
    [
        ("*", USER, Reach.ROLE),
        ({"AWS": "*"}, SESSION, Reach.ROLE),
        ({"AWS": "*"}, Principal.anonymous(), Reach.ROLE),
        ("*", TOKEN, Reach.NONE),
        ({"AWS": ACCOUNT}, USER, Reach.ACCOUNT),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, SESSION, Reach.ACCOUNT),
        ({"AWS": "arn:aws:iam::999999999999:root"}, USER, Reach.NONE),
        ({"AWS": USER.arn}, USER, Reach.DIRECT),
        ({"AWS": ["arn:aws:iam::1:user/x", USER.arn]}, USER, Reach.DIRECT),
        ({"AWS": ROLE_ARN}, SESSION, Reach.ROLE),
        ({"AWS": SESSION.arn}, SESSION, Reach.DIRECT),
        ({"AWS": ROLE_ARN}, USER, Reach.NONE),
        ({"Service": "lambda.amazonaws.com"}, SERVICE, Reach.DIRECT),
        ({"Service": "sagemaker.amazonaws.com"}, SERVICE, Reach.NONE),
        ({"Service": "lambda.amazonaws.com"}, USER, Reach.NONE),
        ({"Federated": TOKEN.arn}, TOKEN, Reach.DIRECT),
        ({"Federated": TOKEN.arn}, USER, Reach.NONE),
        ({"CanonicalUser": "*"}, USER, Reach.NONE),
    ],
)
def test_principals(principal, caller, reach):
    (statement,) = policy(
        {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*"}
    ).statements

    assert statement.reach(caller) is reach


def test_not_principal():
    statement = {"Effect": "Deny", "NotPrincipal": {"AWS": USER.arn}, "Action": "s3:*", "Resource": "*"}
    (parsed,) = policy(statement).statements

    assert not parsed.reach(USER)
    assert parsed.reach(SESSION)
