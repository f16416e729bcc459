"""The whole cloud with IAM enforced from its start."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.cloud import aws_clients
from toolkit.console import Console
from toolkit.local import client
from toolkit.local.iam.service import SETTING, is_enforced


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("", False), ("false", False)],
)
def test_the_setting(value, expected):
    assert is_enforced({SETTING: value}) is expected
    assert not is_enforced({})


@pytest.mark.slow
def test_a_cloud_that_enforces_from_the_start(project, monkeypatch):
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
