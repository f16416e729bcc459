"""The status of an environment, as SageMaker reports it."""

from __future__ import annotations

from tests.support.cloud import PATIENT, UNKNOWN_IMAGE, Engine, Hosting, eventually
from tests.support.contexts import Opened, deployed, outputs, recorded_requests
from toolkit.deployment.rollout import status


def test_status_shows_the_current_state_of_each_endpoint(
    environment: Opened, hosting: Hosting, other: Engine
) -> None:
    first, second, third = (
        hosting.configuration(container=other.container, InitialInstanceCount=count, **PATIENT)
        for count in (1, 2, 1)
    )
    shifting, scaling, stable = (hosting.endpoint(name) for name in (first, second, third))
    never = hosting.configuration(image=UNKNOWN_IMAGE)
    failed = hosting.endpoint(never)
    for name in (shifting, scaling, stable, failed):
        hosting.settled(name)
    alarm = hosting.alarm("status")
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 3600,
    }
    hosting.sagemaker.update_endpoint(
        EndpointName=shifting,
        EndpointConfigName=third,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "status"}]},
        },
    )
    models = {
        "shifting": deployed(shifting, third),
        "scaling": deployed(scaling, second),
        "still": deployed(stable, third),
        "failed": deployed(failed, never),
        "gone": deployed("gone", "planned"),
    }

    def now() -> dict[str, status.ModelStatus]:
        return {model.model: model for model in status.read(environment.context, outputs(models)).models}

    eventually(lambda: "baking" in now()["shifting"].phase)
    other.healthy = False
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=scaling,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}],
    )
    statuses = now()
    assert (statuses["shifting"].status, statuses["shifting"].as_planned) == ("Updating", False)
    assert statuses["shifting"].phase == "Updating, baking, 25 % of the traffic on the new fleet"
    assert statuses["scaling"].phase == "Updating, changing the number of instances"
    assert (statuses["scaling"].instances, statuses["scaling"].desired_instances) == (2, 3)
    assert (statuses["still"].phase, statuses["still"].as_planned) == ("InService", True)
    assert statuses["still"].failure_reason is None
    assert (statuses["failed"].status, statuses["failed"].as_planned) == ("Failed", False)
    assert "unknown" in (statuses["failed"].failure_reason or "")
    assert (statuses["gone"].status, statuses["gone"].as_planned) == ("Missing", False)
    # Avoids waiting for the end of an hour.
    alarm.trigger("over")


def test_paused_endpoints_need_no_request(environment: Opened) -> None:
    with recorded_requests(environment.context.access) as requests:
        (model,) = status.read(environment.context, outputs({"m": deployed("e", "c")}, paused=True)).models
    assert (model.status, model.as_planned) == ("Paused", True)
    assert requests.names == []
