"""What runs of an environment, as SageMaker says it."""

from __future__ import annotations

from tests.toolkit.deployment.fakes import World, statuses
from tests.toolkit.deployment.rollout.test_verify import deployed, outputs
from toolkit.deployment import status


def test_each_endpoint_as_it_is_now() -> None:
    world = World()
    (moving,) = statuses("Updating", configuration="old")
    variant = {
        "VariantName": "v",
        "CurrentWeight": 0.75,
        "CurrentInstanceCount": 2,
        "DesiredInstanceCount": 3,
    }
    pending = {"ProductionVariants": [variant | {"CurrentWeight": 0.25}]}
    world.sagemaker.answers = {
        "a": [moving | {"ProductionVariants": [variant], "PendingDeploymentSummary": pending}],
        "b": list(statuses("InService")),
    }
    models = {"a": deployed("a"), "b": deployed("b"), "c": deployed("gone")}
    found = {each.model: each for each in status.read(world.context, outputs(models)).models}
    assert (found["a"].status, found["a"].as_planned) == ("Updating", False)
    assert found["a"].phase == "Updating, 25 % of the traffic on the new fleet"
    assert (found["a"].instances, found["a"].desired_instances) == (2, 3)
    assert (found["b"].phase, found["b"].as_planned) == ("InService", True)
    assert (found["c"].status, found["c"].as_planned) == ("Missing", False)


def test_paused_endpoints_are_not_asked_about() -> None:
    world = World()
    (found,) = status.read(world.context, outputs({"a": deployed("a")}, paused=True)).models
    assert (found.status, found.as_planned) == ("Paused", True)
    assert world.sagemaker.asked == []
