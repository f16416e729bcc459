from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from moto.sts.models import sts_backends

from tests.support.iam import ACCOUNT, allow
from toolkit.local.iam.callers import caller
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.iam.principals import PrincipalKind
from toolkit.local.signature import Signature


def test_the_local_access_key_is_the_root_user(cloud):
    signer = caller(Signature("local"), cloud.enforcement.account)

    assert (signer.principal.kind, signer.principal.arn) == (
        PrincipalKind.ROOT,
        f"arn:aws:iam::{ACCOUNT}:root",
    )


def test_unsigned_requests_are_anonymous(cloud):
    assert caller(Signature(), cloud.enforcement.account).principal.kind is PrincipalKind.ANONYMOUS


def test_a_session_has_its_role(cloud):
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("ci", {"AWS": ACCOUNT}, Path="/build/", Tags=[{"Key": "team", "Value": "a"}])
    keys = cloud.client("sts", user).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]

    signer = caller(Signature(keys["AccessKeyId"], keys["SessionToken"]), cloud.enforcement.account)

    assert signer.principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run"
    assert signer.principal.role_arn == role == f"arn:aws:iam::{ACCOUNT}:role/build/ci"
    assert signer.tags == {"team": "a"}


def test_sessions_expire(cloud):
    user = cloud.user("eve", allow("sts:AssumeRole"))
    role = cloud.role("ci", {"AWS": ACCOUNT}, allow("iam:ListRoles"))
    keys = cloud.client("sts", user).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    iam = cloud.client("iam", keys)
    assert iam.list_roles()["Roles"]

    (session,) = sts_backends[ACCOUNT]["aws"].assumed_roles
    session.expiration -= timedelta(seconds=3601)

    with pytest.raises(ClientError, match="ExpiredToken"):
        iam.list_roles()
    with pytest.raises(AuthenticationError, match="expired"):
        caller(Signature(keys["AccessKeyId"], keys["SessionToken"]), cloud.enforcement.account)
