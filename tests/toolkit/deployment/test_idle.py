"""Whether endpoints are idle, and pauses that depend on it."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.support.cloud import Engine, Hosting, eventually
from tests.support.contexts import deployed, opened, unchanged
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment import idle, prepare, releases
from toolkit.deployment.context import Context
from toolkit.deployment.idle import Activity
from toolkit.deployment.prepare import UnchangedError
from toolkit.deployment.releases import Release

HOUR = 3600
RELEASE = Release(1, "2026-11-30", "arn", "apply", None, False, "0" * 64, "", {})


def record(access: AwsAccess, metric: str, ago: timedelta, value: float, **dimensions: str) -> None:
    datum = {
        "MetricName": metric,
        "Timestamp": datetime.now(UTC) - ago,
        "Value": value,
        "Dimensions": [{"Name": name, "Value": text} for name, text in dimensions.items()],
    }
    access.cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[datum])  # type: ignore[list-item]


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting, engine: Engine) -> str:
    name = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(name)
    return name


@pytest.fixture
def context(account: AwsAccess, tmp_path: Path, endpoint: str) -> Context:
    environment = opened(tmp_path, account, env=f"e{uuid.uuid4().hex[:8]}")
    unchanged(environment, {"m": deployed(endpoint, "configuration")})
    return environment.context


@pytest.mark.slow
def test_a_new_endpoint_is_not_idle_and_an_old_one_is(context: Context) -> None:
    [model] = idle.activity(context, HOUR)
    assert not model.is_idle
    assert str(model).startswith("m: no request yet, created or updated at 20")

    # Nothing has happened in the last second, once the endpoint is older.
    eventually(lambda: all(model.is_idle for model in idle.activity(context, 1)))


def deployed_without_endpoint(account: AwsAccess, tmp_path: Path, kind: str) -> tuple[Context, str]:
    name = f"{kind}-{uuid.uuid4().hex[:8]}"
    environment = opened(tmp_path, account, env=f"e{uuid.uuid4().hex[:8]}")
    unchanged(environment, {"m": replace(deployed(name, "configuration"), endpoint_type=kind)})
    return environment.context, name


@pytest.mark.slow
def test_requests_in_the_period_are_counted(account: AwsAccess, tmp_path: Path) -> None:
    context, endpoint = deployed_without_endpoint(account, tmp_path, "realtime")
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    record(account, "Invocations", timedelta(hours=3), 7, **dimensions)
    assert idle.activity(context, 2 * HOUR)[0].is_idle
    record(account, "Invocations", timedelta(minutes=90), 2, **dimensions)
    record(account, "Invocations", timedelta(minutes=80), 1, **dimensions)

    [model] = idle.activity(context, 2 * HOUR)
    assert (model.requests, model.is_idle) == (3, False)
    assert str(model).startswith("m: 3 requests since 20")
    assert idle.activity(context, 24 * HOUR)[0].requests == 10


@pytest.mark.slow
def test_an_asynchronous_endpoint_with_a_queue_is_in_use(account: AwsAccess, tmp_path: Path) -> None:
    context, endpoint = deployed_without_endpoint(account, tmp_path, "async")
    assert idle.activity(context, HOUR)[0].is_idle
    record(account, "ApproximateBacklogSize", timedelta(minutes=5), 2, EndpointName=endpoint)
    assert not idle.activity(context, HOUR)[0].is_idle


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["InvocationsProcessed", "InvocationsProcesssed"])
def test_an_asynchronous_endpoint_with_requests_is_in_use(
    account: AwsAccess, tmp_path: Path, metric: str
) -> None:
    context, endpoint = deployed_without_endpoint(account, tmp_path, "async")
    record(account, metric, timedelta(minutes=5), 2, EndpointName=endpoint, VariantName="AllTraffic")
    [model] = idle.activity(context, HOUR)
    assert (model.requests, model.is_idle) == (2, False)


@pytest.mark.slow
def test_an_environment_in_use_is_not_paused(context: Context) -> None:
    name = context.environment.name
    bucket, key = context.environment.state_bucket, context.environment.state_key
    with pytest.raises(UnchangedError, match=f"{name} has no release yet"):
        prepare.pause(context)
    releases.of(context).record(RELEASE, {})
    # Its state has no resources: releases outlive a destroy.
    for command in (partial(prepare.pause, context), partial(prepare.resume, context)):
        with pytest.raises(UnchangedError, match=f"{name} is not (deployed|paused)"):
            command()

    state = json.loads(state_bucket.read(context.access, bucket, key) or b"")
    endpoint = {
        "mode": "managed",
        "type": "aws_sagemaker_endpoint",
        "instances": [{"attributes": {"id": "e"}}],
    }
    content = json.dumps(state | {"resources": [endpoint]}).encode()
    state_bucket.write(context.access, bucket, key, content)
    context.reload_state()
    with pytest.raises(UnchangedError, match=f"{name} is in use; nothing was changed") as caught:
        prepare.pause(context, HOUR)
    assert [detail.partition(" request")[0] for detail in caught.value.details] == ["m: no"]


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_what_was_seen_is_shown() -> None:
    since = NOW - timedelta(hours=4)
    one = Activity("m", 1, NOW, since - timedelta(days=1), since)
    assert str(one) == "m: 1 request since 2026-11-30 08:00 UTC, the last at 2026-11-30 12:00 UTC"
    assert str(replace(one, requests=0, last=None)) == "m: no request since 2026-11-30 08:00 UTC"
    assert str(replace(one, requests=0, last=None, updated=NOW)) == (
        "m: no request yet, created or updated at 2026-11-30 12:00 UTC"
    )
