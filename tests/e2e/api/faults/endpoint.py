"""Faults of the endpoint, its scaling and its alarms, and of the caller's AWS credentials."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest

from tests.e2e.api.faults.deployment import Deployment, Planted, believes, fault
from tests.support.patience import wait_for
from toolkit.smoke import Layer, Options

ECHO = "llm-clients-echo"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ECHO}/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SUSPENDED, RESUMED = (
    dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), suspended
    )
    for suspended in (True, False)
)
_IN_SERVICE = ("endpoint", "endpoint InService")
_INNER = Options(models=["echo"], only=[Layer.ENDPOINT, Layer.INVOCATION])
ENDPOINT: dict[str, Planted] = {
    "configuration_with_another_model": Planted(
        believes(model_names={"AllTraffic": "llm-clients-planned"}),
        *_IN_SERVICE,
        "changed outside of the toolkit",
    ),
    "alarm_missing": Planted(
        believes(alarm_names=["llm-clients-deleted"]), "endpoint", "rollout alarms", "deleted outside"
    ),
}


@fault(ENDPOINT, *_IN_SERVICE, "deleted outside of the toolkit")
def endpoint_missing(deployment: Deployment) -> Iterator[None]:
    deployment.options = Options(models=["gone"])
    yield


@fault(ENDPOINT, *_IN_SERVICE, "changed outside of the toolkit")
def endpoint_on_another_configuration(deployment: Deployment) -> Iterator[None]:
    sagemaker = deployment.client("sagemaker")
    planned = deployment.outputs.models["echo"].endpoint_config_name
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=planned)["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName="another", ProductionVariants=variants)
    for configuration in ("another", planned):
        sagemaker.update_endpoint(EndpointName=ECHO, EndpointConfigName=configuration)
        wait_for(
            lambda: sagemaker.describe_endpoint(EndpointName=ECHO)["EndpointStatus"] == "InService", ECHO
        )
        if configuration == "another":
            yield
    sagemaker.delete_endpoint_config(EndpointConfigName="another")


@fault(ENDPOINT, "endpoint", "autoscaling", "deregistered outside of the toolkit")
def scalable_target_missing(deployment: Deployment) -> Iterator[None]:
    scaling = deployment.client("application-autoscaling")
    scaling.deregister_scalable_target(**TARGET)
    yield
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=1)


@fault(ENDPOINT, "endpoint", "autoscaling", "deleted outside of the toolkit")
def scaling_policy_missing(deployment: Deployment) -> Iterator[None]:
    scaling = deployment.client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, MaxCapacity=2)
    yield
    scaling.register_scalable_target(**TARGET, MaxCapacity=1)


@fault(ENDPOINT, "endpoint", "autoscaling", "scaled in outside of the toolkit")
def fleet_scaled_in(deployment: Deployment) -> Iterator[None]:
    sagemaker, scaling = deployment.client("sagemaker"), deployment.client("application-autoscaling")

    def resize(count: int) -> None:
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=ECHO,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
        )
        wait_for(lambda: instances() == (count, "InService"), ECHO)

    def instances() -> tuple[int, str]:
        endpoint = sagemaker.describe_endpoint(EndpointName=ECHO)
        return endpoint["ProductionVariants"][0].get("CurrentInstanceCount", 0), endpoint["EndpointStatus"]

    # The minimum is restored last, so that Application Auto Scaling does not scale out again.
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=2, SuspendedState=SUSPENDED)
    resize(2)
    scaling.register_scalable_target(**TARGET, MinCapacity=2, MaxCapacity=2)
    resize(1)
    yield
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=1, SuspendedState=RESUMED)


@fault(ENDPOINT, "endpoint", "rollout alarms", "fail or are slow")
def alarm_fires(deployment: Deployment) -> Iterator[None]:
    cloudwatch, name = deployment.client("cloudwatch"), "llm-clients-only-by-hand"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName="none",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="5xx")
    deployment.echo(alarm_names=[name])
    yield
    cloudwatch.delete_alarms(AlarmNames=[name])


def sign_with(deployment: Deployment, key: tuple[str, str]) -> None:
    access = dataclasses.replace(deployment.context.access, root_key=key)
    deployment.context = dataclasses.replace(deployment.context, access=access)
    deployment.options = _INNER


@fault(ENDPOINT, *_IN_SERVICE, "credentials have expired or were deleted")
def credentials_deleted(deployment: Deployment) -> Iterator[None]:
    sign_with(deployment, ("AKIAIOSFODNN7EXAMPLE", "s" * 40))
    yield


@fault(ENDPOINT, *_IN_SERVICE, "credentials are wrong")
def secret_wrong(deployment: Deployment) -> Iterator[None]:
    sign_with(deployment, (deployment.context.access.root_key[0], "s" * 40))  # type: ignore[index]
    yield


@fault(ENDPOINT, *_IN_SERVICE, "clock of this machine")
def clock_off(deployment: Deployment) -> Iterator[None]:
    late = datetime.now(UTC) - timedelta(minutes=20)
    deployment.options = _INNER

    def now(remove_tzinfo: bool = True) -> Any:
        return late.replace(tzinfo=None) if remove_tzinfo else late

    # botocore reads the time of signatures here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", now)
        yield
