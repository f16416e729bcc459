"""Each violated invariant of a chaos run is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.chaos import invariants
from tests.chaos.invariants import STATE_BUCKET, STATES, Cloud, Snapshot
from tests.chaos.rounds import KINDS, plan
from tests.chaos.site import Result
from tests.support import cloudprocess


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud with one log group, which is in the state, as is the bucket itself."""
    with cloudprocess.running(tmp_path_factory.mktemp("invariants") / "cloud") as process:
        cloud = Cloud(process.client)
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=STATE_BUCKET)
        s3.put_bucket_versioning(Bucket=STATE_BUCKET, VersioningConfiguration={"Status": "Enabled"})
        cloud.client("logs").create_log_group(logGroupName="ours")
        write_state(cloud, aws_cloudwatch_log_group={"name": "ours"}, aws_s3_bucket={"bucket": STATE_BUCKET})
        yield cloud


def write_state(cloud: Cloud, **resources: dict[str, str]) -> None:
    rows = [
        {"mode": "managed", "type": kind, "instances": [{"attributes": attributes}]}
        for kind, attributes in resources.items()
    ]
    body = json.dumps({"resources": rows}).encode()
    cloud.client("s3").put_object(Bucket=STATE_BUCKET, Key=STATES[1], Body=body)


@pytest.mark.slow
def test_resources_of_the_state_alone_are_good(cloud: Cloud) -> None:
    assert invariants.orphans(cloud) == []


@pytest.mark.slow
def test_an_orphan_of_each_kind_is_found(cloud: Cloud) -> None:
    gateway, iam = cloud.client("apigateway"), cloud.client("iam")
    api = gateway.create_rest_api(name="left")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployment = gateway.create_deployment(restApiId=api)["id"]
    cloud.client("cloudwatch").put_dashboard(DashboardName="left", DashboardBody='{"widgets": []}')
    trust = {"Version": "2012-10-17", "Statement": []}
    iam.create_role(RoleName="left", AssumeRolePolicyDocument=json.dumps(trust))
    orphans = invariants.orphans(cloud)
    assert f"orphaned: aws_api_gateway_rest_api {api}" in orphans
    assert f"orphaned: aws_api_gateway_deployment {api} {deployment}" in orphans
    assert "orphaned: aws_cloudwatch_dashboard left" in orphans
    assert "orphaned: aws_iam_role left" in orphans
    gateway.delete_rest_api(restApiId=api)
    cloud.client("cloudwatch").delete_dashboards(DashboardNames=["left"])
    iam.delete_role(RoleName="left")
    assert invariants.orphans(cloud) == []


@pytest.mark.slow
def test_a_resource_that_only_the_state_knows_is_found(cloud: Cloud) -> None:
    stored = cloud.state(STATES[1])
    write_state(cloud, aws_sagemaker_model={"name": "gone"})
    assert "in the state only: aws_sagemaker_model gone" in invariants.orphans(cloud)
    write_state(cloud, aws_new_service_thing={"id": "1"})
    with pytest.raises(AssertionError, match="aws_new_service_thing"):
        invariants.orphans(cloud)
    body = json.dumps(stored).encode()
    cloud.client("s3").put_object(Bucket=STATE_BUCKET, Key=STATES[1], Body=body)


@pytest.mark.slow
def test_a_key_without_a_plan_is_found(cloud: Cloud) -> None:
    gateway = cloud.client("apigateway")
    keys = [gateway.create_api_key(name="default", enabled=True)["id"] for _ in range(2)]
    unused = invariants.unused_keys(cloud)
    assert unused == ["API key without usage plan: default"] * 2 + ["API key twice: default"]
    for key in keys:
        gateway.delete_api_key(apiKey=key)


@pytest.mark.slow
def test_what_disappears_is_lost_and_locks_are_seen(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    for body in (b"one", b"two"):
        s3.put_object(Bucket=STATE_BUCKET, Key="local/releases/000001.json", Body=body)
    s3.put_object(Bucket=STATE_BUCKET, Key=f"{STATES[1]}.tflock", Body=b"{}")
    before = cloud.snapshot()
    assert cloud.locks() == [f"{STATES[1]}.tflock"]
    s3.delete_object(Bucket=STATE_BUCKET, Key=f"{STATES[1]}.tflock")
    assert invariants.lost(before, cloud.snapshot(), destroyed=False) == []
    oldest = s3.list_object_versions(Bucket=STATE_BUCKET, Prefix="local/releases/")["Versions"][-1]
    s3.delete_object(Bucket=STATE_BUCKET, Key=oldest["Key"], VersionId=oldest["VersionId"])
    expected = [f"lost: s3://{STATE_BUCKET}/local/releases/000001.json"]
    assert invariants.lost(before, cloud.snapshot(), destroyed=True) == expected


def test_changed_keys_and_missing_log_events_are_lost() -> None:
    before = Snapshot(frozenset(), {"default": "1"}, {"group": 2})
    after = Snapshot(frozenset(), {"default": "2"}, {"group": 1})
    assert invariants.lost(before, after, destroyed=False) == [
        "lost: API key default",
        "lost: log events of group",
    ]
    assert invariants.lost(before, after, destroyed=True) == []


def test_only_documented_exit_codes_are_good() -> None:
    codes = invariants.documented_codes()
    assert {0, 5, 9, 130, 141} <= codes
    assert 1 not in codes
    accepted = [Result(["apply"], 5, "error: …"), Result(["apply"], -9, "", killed=True)]
    assert invariants.undocumented(accepted, codes) == []
    trace = "Traceback (most recent call last):\n"
    rejected = [Result(["apply"], 1, trace), Result(["plan"], -9, "")]
    assert invariants.undocumented(rejected, codes) == [
        "exit code 1 of toolkit apply",
        "'Traceback (most recent call last)' in the output of toolkit apply",
        "exit code -9 of toolkit plan",
    ]


def test_a_lock_is_cleared_as_the_error_says() -> None:
    ran: list[str] = []

    def run(*arguments: str) -> Result:
        ran.append(" ".join(arguments))
        locked = ran == ["apply"]
        remedy = "  → toolkit unlock --env local --stack account\n" if locked else ""
        return Result(arguments, 9 if locked else 0, remedy)

    assert invariants.converge(run, [("apply",)]) == []
    assert ran == ["apply", "unlock --env local --stack account --yes", "apply"]


def test_a_command_that_fails_again_did_not_converge() -> None:
    failures = invariants.converge(lambda *arguments: Result(arguments, 5, ""), [("apply",), ("plan",)])
    assert failures == ["did not converge: toolkit apply ended with 5"]


def test_a_seed_decides_the_rounds() -> None:
    once, again = list(islice(plan("s"), 60)), list(islice(plan("s"), 60))
    assert once == again
    assert list(islice(plan("t"), 60)) != once
    # Each kind comes equally often, and each round starts where the last one ended.
    assert {kind: [current.kind for current in once].count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 4)
    assert [current.start for current in once[1:]] == [current.end for current in once[:-1]]
    assert {current.command for current in once} > {"apply", "destroy", "rollback", "pause", "model stage"}
    assert once[6].repeat == "make chaos SEED=s ROUND=7"
