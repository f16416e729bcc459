"""Verification that SageMaker serves the planned configuration, and the report otherwise."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.cloud import PATIENT, UNKNOWN_IMAGE, Engine, Hosting, eventually, respond
from tests.support.contexts import Opened, deployed, outputs, recorded_requests
from tests.support.load import load
from toolkit.aws.access import AwsAccess
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.rollout import verify
from toolkit.deployment.rollout.verify import Rollout
from toolkit.errors import RolloutError

CANARY = {
    "Type": "CANARY",
    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
    "WaitIntervalInSeconds": 3600,
}


@pytest.fixture(scope="module")
def healthy_model(hosting: Hosting, engine: Engine) -> DeployedModel:
    """A model that serves as planned."""
    configuration = hosting.configuration(container=engine.container, **PATIENT)
    endpoint = hosting.endpoint(configuration)
    hosting.settled(endpoint)
    return deployed(endpoint, configuration)


@pytest.fixture(scope="module")
def rolled_back(hosting: Hosting, engine: Engine) -> tuple[DeployedModel, str]:
    """A model whose update SageMaker rolled back, and its restored configuration."""
    old = hosting.configuration(container=engine.container, **PATIENT)
    endpoint = hosting.endpoint(old)
    hosting.settled(endpoint)
    new = hosting.configuration(image=UNKNOWN_IMAGE)
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    hosting.settled(endpoint)
    return deployed(endpoint, new), old


@pytest.fixture(scope="module")
def failed(hosting: Hosting) -> DeployedModel:
    """A model that never served."""
    configuration = hosting.configuration(image=UNKNOWN_IMAGE)
    endpoint = hosting.endpoint(configuration, "llm-x-m-2")
    hosting.settled(endpoint)
    return deployed(endpoint, configuration)


def touching(*models: DeployedModel, since: datetime | None = None) -> Rollout:
    start = since or datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Rollout(frozenset(model.endpoint_name for model in models), start)


def refused(environment: Opened, rollout: Rollout, **models: DeployedModel) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        verify.endpoints(environment.context, outputs(models), rollout)
    return caught.value


def clock_after(account: AwsAccess) -> datetime:
    """Return a time after all earlier events by AWS's clock, which counts whole seconds, sometimes late."""
    now = datetime.now(UTC)
    eventually(lambda: account.now() > now)
    return account.now()


def test_verification_passes_once_the_planned_update_has_ended(
    environment: Opened, hosting: Hosting, healthy_model: DeployedModel, other: Engine
) -> None:
    other.healthy = False
    new = hosting.configuration(container=other.container, **PATIENT)
    hosting.sagemaker.update_endpoint(EndpointName=healthy_model.endpoint_name, EndpointConfigName=new)
    planned = deployed(healthy_model.endpoint_name, new)
    with recorded_requests(environment.context.access) as requests:
        requests.on_response = lambda _: setattr(other, "healthy", True)
        verify.endpoints(environment.context, outputs({"m": planned}), touching(planned))
    assert len(requests.names) > 1
    assert f"{healthy_model.endpoint_name}: Updating, starting instances" in "\n".join(
        environment.stderr_lines
    )
    hosting.sagemaker.update_endpoint(
        EndpointName=healthy_model.endpoint_name, EndpointConfigName=healthy_model.endpoint_config_name
    )
    hosting.settled(healthy_model.endpoint_name)


def test_a_paused_environment_needs_no_request(environment: Opened) -> None:
    with recorded_requests(environment.context.access) as requests:
        paused = outputs({"m": deployed("no-such", "new")}, paused=True)
        verify.endpoints(environment.context, paused, Rollout())
    assert requests.names == []


def state_of(hosting: Hosting, alarm: str) -> str:
    (state,) = hosting.aws("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    return str(state["StateValue"])


def test_a_rollback_is_reported_with_reason_alarm_and_log(
    environment: Opened, account: AwsAccess, hosting: Hosting, engine: Engine, other: Engine
) -> None:
    old, new = (hosting.configuration(container=server.container, **PATIENT) for server in (engine, other))
    endpoint = hosting.endpoint(old)
    hosting.settled(endpoint)
    since = clock_after(account)
    other.behaviour = lambda handler, _: respond(handler, 500, b"{}")
    alarm = hosting.error_alarm(f"{endpoint}-server-errors", endpoint, new)
    with load(hosting.aws, endpoint):
        hosting.sagemaker.update_endpoint(
            EndpointName=endpoint,
            EndpointConfigName=new,
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": CANARY},
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
            },
        )
        hosting.settled(endpoint)
    # The new fleet and the alarm's metric are gone: only the alarm's history remains.
    eventually(lambda: state_of(hosting, alarm) == "OK")
    planned = deployed(endpoint, new, alarms=[alarm, "no-such-alarm"])

    error = refused(environment, touching(planned, since=since), m=planned)
    assert error.exit_code == 6
    assert error.where == "models.m"
    assert error.remedy is not None
    assert error.remedy.startswith("correct terraform/environments/x.yaml and apply again")
    assert f"rolled back by SageMaker: it is on {old}, not on the planned {new}" in error.message
    message = str(error)
    assert (
        f"reason: The deployment was rolled back because an alarm is in the ALARM state: {alarm}" in message
    )
    fired = r"\(Invocation5XXErrors, threshold 0.05\) fired at \d\d:\d\d:\d\d UTC: Threshold Crossed"
    assert re.search(f"alarm {alarm} {fired}", message)
    assert f"serves now: {old}" in message
    assert "the new containers' last log lines:" in message
    assert f"relaying to {other.url}" in message
    assert f"relaying to {engine.url}" not in message

    # An alarm that fired before the apply does not count.
    message = str(refused(environment, touching(planned, since=clock_after(account)), m=planned))
    assert f"alarm {alarm} (" not in message


def test_an_alarm_that_is_firing_is_reported(environment: Opened, hosting: Hosting) -> None:
    config = hosting.configuration()
    endpoint = hosting.endpoint(config)
    alarm = hosting.error_alarm(f"{endpoint}-server-errors", endpoint, config)
    planned = deployed(endpoint, "planned", alarms=[alarm])

    def is_reported() -> bool:
        # The alarm's next evaluation sets it to OK again.
        hosting.aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by hand")
        return "UTC: by hand" in str(refused(environment, touching(), m=planned))

    eventually(is_reported)


def test_a_failed_endpoint_serves_nothing(environment: Opened, failed: DeployedModel) -> None:
    error = refused(environment, touching(failed), m=failed)
    assert f"endpoint {failed.endpoint_name} is Failed" in error.message
    assert "serves now: nothing" in error.details
    assert any(line.startswith("reason: ") and "unknown" in line for line in error.details)


def test_a_variant_that_fails_to_start_is_named_with_its_log(
    environment: Opened, hosting: Hosting, engine: Engine
) -> None:
    healthy = hosting.configuration(container=engine.container, VariantName="good", **PATIENT)
    unreachable = {"Environment": {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}}
    broken = hosting.configuration(container=unreachable, VariantName="bad")
    describe = hosting.sagemaker.describe_endpoint_config
    variants = [describe(EndpointConfigName=name)["ProductionVariants"][0] for name in (healthy, broken)]
    hosting.sagemaker.create_endpoint_config(EndpointConfigName="good-and-bad", ProductionVariants=variants)
    endpoint = hosting.endpoint("good-and-bad")
    planned = deployed(endpoint, "good-and-bad", ["bad", "good"])
    error = refused(environment, touching(planned), m=planned)
    assert f"endpoint {endpoint} is Failed" in error.message
    assert "serves now: nothing" in error.details
    message = str(error)
    assert "reason: The primary container for production variant bad did not pass the ping" in message
    assert "invalid OPENAI_BASE_URL: 192.0.2.1 is not this machine" in message


def test_a_reason_counts_if_this_apply_changed_the_endpoint(
    environment: Opened, rolled_back: tuple[DeployedModel, str]
) -> None:
    model, old = rolled_back
    reverted = replace(model, endpoint_config_name=old)
    verify.endpoints(environment.context, outputs({"m": reverted}), touching())
    assert "reports a failed update" in refused(environment, touching(reverted), m=reverted).message


def test_other_variants_and_a_missing_endpoint(environment: Opened, healthy_model: DeployedModel) -> None:
    other = replace(healthy_model, variant_names=["w"])
    assert "has the variants ['AllTraffic'], not ['w']" in refused(environment, touching(), m=other).message
    missing = deployed("gone", "new")
    assert "endpoint gone does not exist" in refused(environment, touching(), m=missing).message


def test_all_differing_endpoints_are_reported(
    environment: Opened,
    healthy_model: DeployedModel,
    rolled_back: tuple[DeployedModel, str],
    failed: DeployedModel,
) -> None:
    back, old = rolled_back
    message = str(refused(environment, touching(back, failed), a=back, b=healthy_model, c=failed))
    assert "2 endpoints do not serve what was planned" in message
    assert f"models.a: endpoint {back.endpoint_name} was rolled back" in message
    assert f"  serves now: {old}" in message
    assert f"models.c: endpoint {failed.endpoint_name} is Failed" in message
    assert "models.b" not in message


def test_only_endpoints_in_terraforms_error_are_reported(
    environment: Opened, hosting: Hosting, failed: DeployedModel
) -> None:
    hosting.settled(hosting.endpoint(failed.endpoint_config_name, "llm-x-m"))
    models = {"m": deployed("llm-x-m", failed.endpoint_config_name), "m-2": failed}
    rollout = touching(*models.values())
    message = "waiting for (llm-x-m-2) create: Failed"
    error = verify.failed_rollouts(environment.context, models, rollout, message)
    assert error is not None
    assert error.where == "models.m-2"
    assert verify.failed_rollouts(environment.context, models, rollout, "another resource") is None


@pytest.mark.parametrize(
    "refusal",
    [
        "updating SageMaker AI Endpoint ({}): SageMaker UpdateEndpoint: ResourceLimitExceeded: limit",
        "user/x is not allowed to call sagemaker:UpdateEndpoint on arn:aws:sagemaker:::endpoint/{}",
    ],
)
def test_a_refused_update_is_not_a_rollback(
    environment: Opened, rolled_back: tuple[DeployedModel, str], refusal: str
) -> None:
    model, _ = rolled_back
    message = refusal.format(model.endpoint_name)
    assert verify.failed_rollouts(environment.context, {"m": model}, touching(model), message) is None
    waited = f"another error\nwaiting for SageMaker AI Endpoint ({model.endpoint_name}) update: Failed"
    assert verify.failed_rollouts(environment.context, {"m": model}, touching(model), waited) is not None
