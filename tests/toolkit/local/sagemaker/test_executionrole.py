"""Weights are read in the name of the model's execution role."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.cloud import ROLE, Engine, Hosting
from tests.support.iam import allow, document, trust
from tests.support.patience import HANG_SECONDS
from toolkit.local.client import RunningCloud

pytestmark = pytest.mark.slow

WEIGHTS = {
    "ModelDataSource": {
        "S3DataSource": {"S3Uri": "s3://guarded/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    }
}


@pytest.fixture
def enforced(cloud: RunningCloud) -> Iterator[None]:
    switch = f"{cloud.endpoint_url}/_toolkit/iam"
    httpx.post(switch, json={"enforce": True}, timeout=HANG_SECONDS).raise_for_status()
    yield
    httpx.post(switch, json={"enforce": False}, timeout=HANG_SECONDS).raise_for_status()


def test_an_endpoint_starts_with_weights_that_its_role_may_read(
    hosting: Hosting, engine: Engine, enforced: None
) -> None:
    s3, iam = hosting.aws("s3"), hosting.aws("iam")
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="m/a.gguf", Body=b"weights")
    configuration = hosting.configuration(container=engine.container | WEIGHTS)

    def failure() -> str:
        return str(hosting.settled(hosting.endpoint(configuration)).get("FailureReason", ""))

    assert "does not exist" in failure()
    name = ROLE.rpartition("/")[2]
    trusting = document(trust({"Service": "sagemaker.amazonaws.com"}))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting)
    listing = allow("s3:ListBucket", "arn:aws:s3:::guarded", Condition={"StringLike": {"s3:prefix": "m/*"}})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(listing))
    assert "s3:GetObject" in failure()
    reading = allow("s3:GetObject", "arn:aws:s3:::guarded/m/*")
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(listing, reading))
    assert failure() == ""
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
