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
    """A separate environment, because the test applies it."""
    return opened(tmp_path, account, env="stuck")


@pytest.fixture
def stuck(hosting: Hosting, engine: Engine, other: Engine) -> Stuck:
    """The endpoint of the model `m`."""
    return Stuck(hosting, (engine, other), NAME)


def refused(environment: Opened, model: DeployedModel, rollout: Rollout) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        verify.endpoints(environment.context, outputs({"m": model}), rollout)
    return caught.value


def test_an_apply_of_the_old_configuration_repairs_the_endpoint(environment: Opened, stuck: Stuck) -> None:
    context = environment.context
    updated = Rollout(frozenset({NAME}), context.access.now())

    # The output of the apply that started the update.
    failed = refused(environment, deployed(NAME, stuck.new), updated)
    assert failed.exit_code == 6
    assert f"endpoint {NAME} is UpdateRollbackFailed" in failed.message
    assert "The old fleet could not be restored" in str(failed)
    assert f"serves now: a mix of {stuck.old} and the configuration of its last update" in str(failed)
    assert "apply again" in str(failed)

    # The status afterwards, also with the previous declaration.
    before = deployed(NAME, stuck.old)
    (model,) = status.read(context, outputs({"m": before})).models
    assert (model.status, model.as_planned) == ("UpdateRollbackFailed", False)
    assert (model.instances, model.desired_instances) == (1, 2)
    descriptions = waiters.wait_until_stable(context, [NAME])
    repair.warn_failed_rollbacks(context, descriptions)
    assert f"warning: endpoint {NAME} is UpdateRollbackFailed" in environment.stderr_lines[-1]
    assert waiters.instance_counts(context, descriptions) == {"m": {"AllTraffic": 2}}

    # An apply does not repeat its own failed update.
    assert repair.reconcile_failed_rollbacks(context, {"m": before}, updated) == updated
    assert "updating all" not in "".join(environment.stderr_lines)

    # In the next apply, Terraform has nothing to do. Without the weights it fails like the update.
    nothing = unchanged(environment, {"m": before})
    with pytest.raises(RolloutError, match="is UpdateRollbackFailed"):
        lifecycle.deploy(context, nothing)
    stuck.restore()
    lifecycle.deploy(context, nothing)
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
