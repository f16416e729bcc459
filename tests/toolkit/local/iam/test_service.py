"""The switch, the log of decisions, and a cloud that enforces IAM from its start."""

from __future__ import annotations

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.access import call
from tests.support.cloud import aws_clients
from tests.support.iam import ACCOUNT, allow
from tests.toolkit.local.iam.conftest import BUCKET, READ_PUBLIC, code
from toolkit.console import Console
from toolkit.local import client
from toolkit.local.iam.service import SETTING


@pytest.mark.slow
def test_iam_can_be_enforced_from_the_start(project, monkeypatch):
    monkeypatch.setenv(SETTING, "1")
    cloud = client.ensure_running(project, Console())
    administrator = aws_clients(cloud)
    iam = administrator("iam")
    iam.create_user(UserName="eve")
    key = iam.create_access_key(UserName="eve")["AccessKey"]

    sagemaker = boto3.client(
        "sagemaker",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"total_max_attempts": 1}),
    )

    assert administrator("sagemaker").list_endpoints()["Endpoints"] == []
    with pytest.raises(ClientError, match="user/eve is not authorized to perform: sagemaker:ListEndpoints"):
        sagemaker.list_endpoints()


def test_it_is_switched_over_http(cloud):
    assert call(cloud, "/_toolkit/iam") == {"enforce": True}
    assert call(cloud, "/_toolkit/iam", {"enforce": False}) == {"enforce": False}
    assert not cloud.enforcement.enforced
    with pytest.raises(urllib.error.HTTPError, match="400"):
        call(cloud, "/_toolkit/iam", {"enforce": "yes"})


def test_decisions_list_requests_and_matching_statements(cloud, bucket):
    user = cloud.user("reader", allow("s3:List*", Sid="List"), READ_PUBLIC)
    call(cloud, "/_toolkit/iam/decisions", method="DELETE")
    s3 = cloud.client("s3", user)
    s3.get_object(Bucket=BUCKET, Key="public/a")
    code(s3.delete_object, Bucket=BUCKET, Key="public/a")
    bucket.list_objects_v2(Bucket=BUCKET)

    arn = f"arn:aws:iam::{ACCOUNT}:user/reader"
    allowed, denied = call(cloud, f"/_toolkit/iam/decisions?principal={arn}")["decisions"]

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
    later = call(cloud, f"/_toolkit/iam/decisions?after={denied['number']}")["decisions"]
    assert [item["principal"] for item in later] == [f"arn:aws:iam::{ACCOUNT}:root"]
