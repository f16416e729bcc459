"""Creations and rollouts that take longer than Terraform's provider waits for an endpoint, which is an hour.

The tests end its waiting at once: the provider's own DescribeEndpoint is denied, which it does not retry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import faults
from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine
from tests.support.cloudprocess import running
from tests.support.faults import AwsRequest, Fault, Proxy
from tests.support.rollouts import Site
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e


class Impatience:
    """The endpoint's container starts only after the provider has given up waiting."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._started = self._denied = False
        engine.healthy = False

    def __call__(self, request: AwsRequest) -> Fault | None:
        operation = request.operation.rpartition(".")[2]
        if operation in {"CreateEndpoint", "UpdateEndpoint"}:
            self._started = True
        elif operation == "DescribeEndpoint" and request.sender == "provider" and self._started:
            if not self._denied:
                self._denied = True
                return Fault.DENIED
        elif operation == "DescribeEndpoint" and self._denied:
            # The toolkit polls.
            self._engine.healthy = True
        return None


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with faults.running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("long")
    toolkit = Toolkit(copy_checkout(folder / "project"))
    with running(folder / "cloud"):
        proxy.stand_in(folder / "cloud", toolkit.project)
        yield Site(toolkit, "long")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


def targets(site: Site) -> list[Any]:
    scaling = site.client("application-autoscaling")
    return list(scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"])


def created_at(site: Site) -> Any:
    return site.client("sagemaker").describe_endpoint(EndpointName=site.endpoint)["CreationTime"]


def taint_endpoint(site: Site) -> None:
    """Change the state as an apply does that is killed while it waits for the endpoint."""
    s3, key = site.client("s3"), f"{site.env}/inference.tfstate"
    (bucket,) = [item["Name"] for item in s3.list_buckets()["Buckets"] if "state" in item["Name"]]
    state = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    (endpoint,) = [
        resource for resource in state["resources"] if resource["type"] == "aws_sagemaker_endpoint"
    ]
    endpoint["instances"][0]["status"] = "tainted"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({**state, "serial": state["serial"] + 1}).encode())


@pytest.mark.timeout(900)
def test_an_apply_outlasts_the_waiting_of_the_provider(site: Site, proxy: Proxy, engine: Engine) -> None:
    site.declare(engine.url)
    proxy.begin(Impatience(engine))
    applied = site.run("apply")
    assert applied.returncode == 0, applied.stderr
    assert "Terraform stopped waiting for SageMaker" in applied.stderr
    assert "recorded as release 1" in applied.stderr
    assert len(targets(site)) == 1
    before = created_at(site)

    # A new instance type: the scaling target is removed before the update and has to return after it.
    # The taint would replace the endpoint, which serves.
    taint_endpoint(site)
    site.declare(engine.url, "second", more="    variants: {AllTraffic: {instance_type: ml.c7i.2xlarge}}\n")
    proxy.begin(Impatience(engine))
    updated = site.run("apply")
    assert updated.returncode == 0, updated.stderr
    assert 'keeping module.endpoint["m"].aws_sagemaker_endpoint.this[0]' in updated.stderr
    assert "Terraform stopped waiting for SageMaker" in updated.stderr
    assert "recorded as release 2" in updated.stderr
    assert created_at(site) == before
    assert len(targets(site)) == 1
