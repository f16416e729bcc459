"""The meter of instances, and estimated costs that agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.access import call
from tests.support.cloud import PATIENT, Aws, Engine, Hosting, aws_clients, make_checkout
from tests.support.patience import wait_for
from toolkit.console import Console
from toolkit.cost.estimate import estimate
from toolkit.cost.plan import plan_costs
from toolkit.cost.prices import Prices
from toolkit.environment import Environment, load
from toolkit.local import client, timescale
from toolkit.local.client import RunningCloud
from toolkit.local.status import InstanceUsage, Metered, MeteredInstance
from toolkit.project import Project

G6 = "ml.g6.2xlarge"
HOUR = 3600.0
WAIT, BAKE, TIMEOUT = 3600, 3600, 7300
FILE = f"""\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  chat:
    serving: {{engine: vllm}}
    source: {{hub: Qwen/Qwen3-8B, allow_unpinned: true}}
    instance_type: {G6}
    capacity: {{min: 2, max: 3}}
    rollout:
      strategy: canary
      percent: 50
      wait_seconds: {WAIT}
      bake_seconds: {BAKE}
      timeout_seconds: {TIMEOUT}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_checkout(tmp_path_factory.mktemp("metered") / "checkout")
    yield project
    client.stop(project, Console())


@pytest.fixture(scope="module")
def cloud(checkout: Project) -> RunningCloud:
    """A cloud in real time: hours pass when a test says so, and delays of the machine count as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(timescale.SETTING, "1")
        return client.ensure_running(checkout, Console())


@pytest.fixture(scope="module")
def aws(cloud: RunningCloud) -> Aws:
    return aws_clients(cloud)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("priced").write_text(FILE)
    return load(project, "priced")


def advance(cloud: RunningCloud, seconds: float) -> None:
    call(cloud, "/_toolkit/clock", {"advance": seconds})


def scale(hosting: Hosting, endpoint: str, count: int) -> None:
    capacity = {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[capacity]
    )
    assert len(hosting.settled(endpoint)["ProductionVariants"]) == 1


def wait_until_baking(hosting: Hosting, endpoint: str, share: float) -> None:
    """Wait until the new fleet bakes with a share of the traffic."""

    def is_baking() -> bool:
        pending = hosting.sagemaker.describe_endpoint(EndpointName=endpoint).get("PendingDeploymentSummary")
        (variant,) = pending["ProductionVariants"] if pending else ({},)
        (status,) = variant.get("VariantStatus") or ({},)
        return status.get("Status") == "Baking" and variant["CurrentWeight"] == share

    wait_for(is_baking, f"a share of {share}")


def update(cloud: RunningCloud, hosting: Hosting, endpoint: str, configuration: str) -> None:
    """The canary rollout of the environment file, whose waits pass at once."""
    size = {"Type": "CAPACITY_PERCENT", "Value": 50}
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": WAIT}
    policy = {
        "TrafficRoutingConfiguration": routing,
        "TerminationWaitInSeconds": BAKE,
        "MaximumExecutionTimeoutInSeconds": TIMEOUT,
    }
    hosting.sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=configuration,
        DeploymentConfig={"BlueGreenUpdatePolicy": policy},
    )
    wait_until_baking(hosting, endpoint, 0.5)
    advance(cloud, WAIT)
    wait_until_baking(hosting, endpoint, 1.0)
    advance(cloud, BAKE)
    assert hosting.settled(endpoint)["EndpointConfigName"] == configuration


def planned(configuration: str, count: int) -> dict[str, Any]:
    """The endpoint with its rollout, in the format of `terraform show -json`."""
    variant = {"variant_name": "AllTraffic", "instance_type": G6, "initial_instance_count": count}
    rollout = {"strategy": "canary", "percent": 50, "timeout_seconds": TIMEOUT}
    values: dict[str, dict[str, Any]] = {
        "rollout": {"type": "terraform_data", "values": {"input": rollout}},
        "endpoint": {"type": "aws_sagemaker_endpoint", "values": {"endpoint_config_name": configuration}},
        "this": {
            "type": "aws_sagemaker_endpoint_configuration",
            "values": {"name": configuration, "production_variants": [variant]},
        },
    }
    resources = [{"name": name, "index": configuration, **item} for name, item in values.items()]
    module = {"address": 'module.endpoint["chat"]', "resources": resources}
    return {"root_module": {"child_modules": [module]}}


@pytest.mark.slow
def test_the_estimate_is_within_two_percent_of_what_ran(
    cloud: RunningCloud, checkout: Project, hosting: Hosting, engine: Engine, environment: Environment
) -> None:
    configurations = [
        hosting.configuration(
            container=engine.container, InstanceType=G6, InitialInstanceCount=count, **PATIENT
        )
        for count in (2, 3)
    ]
    endpoint = hosting.endpoint(configurations[0])
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"
    advance(cloud, 8 * HOUR)
    scale(hosting, endpoint, 3)
    advance(cloud, 4 * HOUR)
    rollout_start = client.metered(checkout).now
    update(cloud, hosting, endpoint, configurations[1])
    rollout = client.metered(checkout).seconds(rollout_start)[G6]
    scale(hosting, endpoint, 2)
    advance(cloud, 10 * HOUR)
    hosting.delete(endpoint)
    # A deleted endpoint costs nothing.
    advance(cloud, 100 * HOUR)

    meter = client.metered(checkout)
    costs = estimate(environment)
    price = Prices.of(environment).instance_hour(G6)
    assert price is not None
    metered = meter.seconds()[G6] / HOUR * price.dollars

    both_fleets = 2 * (WAIT + BAKE) / HOUR
    hours = {"minimum": 8 + 10, "maximum": 4 + both_fleets}
    assert metered == pytest.approx(
        sum(costs.per_hour(key) * value for key, value in hours.items()), rel=0.02
    )
    # The rollout takes almost as long as it may.
    plan = {"prior_state": {"values": planned(configurations[0], 3)}}
    plan["planned_values"] = planned(configurations[1], 3)
    (worst_case,) = plan_costs(plan, Prices.of(environment)).rollouts
    assert worst_case.dollars is not None
    assert 0.98 * worst_case.dollars < rollout / HOUR * price.dollars <= worst_case.dollars
    assert meter.peak(G6) == 6
    assert all(item.ended for item in meter.instances)
    status = client.status(checkout)
    assert status is not None
    assert [(item.instance_type, item.running, item.peak) for item in status.instances] == [(G6, 0, 6)]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-1, "soon"])
def test_the_clock_only_advances(cloud: RunningCloud, seconds: Any) -> None:
    with pytest.raises(OSError, match="400"):
        advance(cloud, seconds)


def test_seconds_and_peaks_count_from_a_time() -> None:
    runs = [(0.0, 100.0), (50.0, 150.0), (140.0, None)]
    instances = [MeteredInstance("r", "e", "v", G6, start, start, end) for start, end in runs]
    meter = Metered(200.0, (*instances, MeteredInstance("r", "e", "v", "ml.m5.xlarge", 10.0, None, 20.0)))
    assert meter.seconds() == {G6: 260.0, "ml.m5.xlarge": 10.0}
    assert meter.seconds(145.0) == {G6: 60.0, "ml.m5.xlarge": 0.0}
    assert [meter.count(G6, at) for at in (0, 60, 120, 145, 160)] == [1, 2, 1, 2, 1]
    assert (meter.peak(G6), meter.peak(G6, 160.0)) == (2, 1)
    assert meter.by_type()[0] == InstanceUsage(G6, running=1, peak=2, seconds=260.0)
