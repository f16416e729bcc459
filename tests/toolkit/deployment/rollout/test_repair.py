"""Endpoints that an update left between two configurations: reported, and repaired."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cloud import Engine, Hosting
from tests.support.contexts import Opened, deployed, opened, outputs, unchanged
from tests.support.stuck import Stuck
from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.deployment import lifecycle
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.rollout import repair, status, verify, waiters
from toolkit.deployment.rollout.verify import Rollout
from toolkit.errors import RolloutError

NAME = "llm-stuck-m"


@pytest.fixture
def environment(account: AwsAccess, tmp_path: Path) -> Opened:
    """A separate environment, because a test applies it."""
    return opened(tmp_path, account, env="stuck")


@pytest.fixture(scope="module")
def stuck(hosting: Hosting, engines: list[Engine]) -> Stuck:
    """The endpoint of the model `m`, which the last test repairs."""
    pair = Engine(), Engine()
    engines.extend(pair)
    return Stuck(hosting, pair, NAME)


@pytest.fixture
def old(stuck: Stuck) -> DeployedModel:
    """The model as it was before the update."""
    return deployed(NAME, stuck.old)


def test_the_failed_update_is_reported(environment: Opened, stuck: Stuck) -> None:
    updated = Rollout(frozenset({NAME}), environment.context.access.now())
    with pytest.raises(RolloutError) as caught:
        verify.endpoints(environment.context, outputs({"m": deployed(NAME, stuck.new)}), updated)
    assert caught.value.exit_code == 6
    assert f"endpoint {NAME} is UpdateRollbackFailed" in caught.value.message
    for text in (
        "The old fleet could not be restored",
        f"serves now: a mix of {stuck.old} and the configuration of its last update",
        "apply again",
    ):
        assert text in str(caught.value)


def test_status_and_plans_warn_about_it(environment: Opened, old: DeployedModel) -> None:
    context = environment.context
    (model,) = status.read(context, outputs({"m": old})).models
    assert (model.status, model.as_planned) == ("UpdateRollbackFailed", False)
    assert (model.instances, model.desired_instances) == (1, 2)
    descriptions = waiters.wait_until_stable(context, [NAME])
    repair.warn_failed_rollbacks(context, descriptions)
    assert f"warning: endpoint {NAME} is UpdateRollbackFailed" in environment.stderr_lines[-1]
    assert waiters.instance_counts(context, descriptions) == {"m": {"AllTraffic": 2}}


def test_an_apply_does_not_repeat_its_own_failed_update(environment: Opened, old: DeployedModel) -> None:
    updated = Rollout(frozenset({NAME}), environment.context.access.now())
    assert repair.reconcile_failed_rollbacks(environment.context, {"m": old}, updated) == updated
    assert environment.stderr_lines == []


def test_an_apply_of_the_old_configuration_repairs_the_endpoint(
    environment: Opened, stuck: Stuck, old: DeployedModel
) -> None:
    context = environment.context
    # Terraform has nothing to do. Without the weights, the apply fails like the update.
    empty_plan = unchanged(environment, {"m": old})
    with pytest.raises(RolloutError, match="is UpdateRollbackFailed"):
        lifecycle.deploy(context, empty_plan)
    stuck.restore()
    lifecycle.deploy(context, empty_plan)
    assert (
        f"{NAME} is UpdateRollbackFailed: updating all its instances to {stuck.old}"
        in environment.stderr_lines
    )
    assert environment.stderr_lines[-1] == "recorded as release 1"
    endpoint = endpoints.describe(context.access, NAME)
    assert endpoint is not None
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", stuck.old)
    assert endpoint["LastDeploymentConfig"].keys() == {"RollingUpdatePolicy"}
    (variant,) = endpoint["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 2)


def test_healthy_and_missing_endpoints_are_not_repaired(
    environment: Opened, hosting: Hosting, engine: Engine
) -> None:
    configuration = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(configuration)
    hosting.settled(endpoint)
    models = {"m": deployed(endpoint, "another"), "n": deployed("gone", "another")}
    assert repair.reconcile_failed_rollbacks(environment.context, models, Rollout()) == Rollout()
    repair.warn_failed_rollbacks(
        environment.context, waiters.wait_until_stable(environment.context, [endpoint, "gone"])
    )
    assert environment.stderr_lines == []
