from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.deployment.attestations import Signer
from toolkit.environment import S3Source
from toolkit.environment.cost import AnomalyAlarm, Cost, CostAlarms
from toolkit.environment.environment import Evidence
from toolkit.preflight import models
from toolkit.rehearsal import placeholders

pytestmark = pytest.mark.slow


def test_a_signer_has_a_placeholder_with_its_arn(account: AwsAccess) -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-12ab-34cd-56ef-1234567890ab"
    environment = SimpleNamespace(evidence=Evidence(kms_key_arn=arn))
    context: Any = SimpleNamespace(access=account, environment=environment)
    for _ in range(2):
        placeholders._place_signer(context)
    Signer(account.kms, arn).check()
    assert len(Signer(account.kms, arn).public_key()) > 100


def test_an_anomaly_monitor_has_a_placeholder_with_its_arn(account: AwsAccess) -> None:
    """A subscription to a monitor that does not exist would be refused."""
    explorer, arn = account.cost_explorer, "arn:aws:ce::123456789012:anomalymonitor/1a2b3c4d-own"
    alarms = CostAlarms(anomalies=AnomalyAlarm(minimum_impact=1, monitor_arn=arn))
    context: Any = SimpleNamespace(access=account, environment=SimpleNamespace(cost=Cost(alarms=alarms)))
    for _ in range(2):
        placeholders._place_anomaly_monitor(context)
    (monitor,) = explorer.get_anomaly_monitors(MonitorArnList=[arn])["AnomalyMonitors"]
    explorer.delete_anomaly_monitor(MonitorArn=arn)
    assert monitor["MonitorDimension"] == "SERVICE"


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_weights_in_a_bucket_of_the_team_have_a_placeholder(region: str, account: AwsAccess) -> None:
    access = replace(account, region=region)
    bucket = f"placeholder-{region}"
    context: Any = SimpleNamespace(access=access)
    for _ in range(2):
        placeholders._place_objects(context, S3Source(s3=f"s3://{bucket}/model/"))
    objects = access.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in objects] == ["model/config.json"]


@pytest.mark.parametrize("name", ["", ":v1", "@sha256:" + "ab" * 32, ":v2@sha256:" + "cd" * 32])
def test_an_own_image_exists_under_its_name(name: str, account: AwsAccess) -> None:
    uri = f"{account.account_id}.dkr.ecr.us-east-1.amazonaws.com/own{name}"
    variant: Any = SimpleNamespace(serving=SimpleNamespace(image=uri))
    environment = SimpleNamespace(account_id=account.account_id)
    context: Any = SimpleNamespace(access=account, environment=environment)
    for _ in range(2):
        placeholders._place_image(context, variant)
    assert models._image(context, uri).status == "ok"
    absent = f"{uri.rpartition('@')[0] or uri}@sha256:{'0' * 64}"
    assert models._image(context, absent).status == "failure"
