from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.environment import S3Source
from toolkit.rehearsal import placeholders

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_weights_in_a_bucket_of_the_team_have_a_placeholder(region: str, account: AwsAccess) -> None:
    access = replace(account, region=region)
    bucket = f"placeholder-{region}"
    context: Any = SimpleNamespace(access=access)
    for _ in range(2):
        placeholders._place_objects(context, S3Source(s3=f"s3://{bucket}/model/"))
    objects = access.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in objects] == ["model/config.json"]
