"""An endpoint as SageMaker, Application Auto Scaling and CloudWatch report it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.rollout import status, waiters
from toolkit.smoke.causes import Commands
from toolkit.smoke.results import FailedError

if TYPE_CHECKING:
    from types_boto3_application_autoscaling.type_defs import ScalableTargetTypeDef

    from toolkit.aws.endpoints import Description

_CHANGED = "it was changed outside of the toolkit, or SageMaker rolled an update back"


@dataclass(frozen=True)
class EndpointChecks:
    """Checks of one model's endpoint.

    Attributes:
        context: the environment.
        model: the deployed model.
        seconds: how long to wait for an update or for instances.
    """

    context: Context
    model: DeployedModel
    seconds: float

    @property
    def _commands(self) -> Commands:
        return Commands(self.context.environment)

    def in_service(self) -> str:
        """Check that the endpoint serves the configuration of the last apply, with the planned variants.

        Raises:
            FailedError: it does not.
        """
        name, commands = self.model.endpoint_name, self._commands
        endpoint = self._stable()
        if endpoint is None:
            raise FailedError(
                f"{name} does not exist", "it was deleted outside of the toolkit", commands("apply")
            )
        if endpoint["EndpointStatus"] != "InService":
            reason = endpoint.get("FailureReason")
            detail = f"{name} is {endpoint['EndpointStatus']}" + (f": {reason}" if reason else "")
            working = endpoint["EndpointStatus"] in endpoints.MOVING
            cause = "an update or scaling is in progress" if working else "its last update failed"
            raise FailedError(detail, cause, commands("status"))
        configuration = endpoint.get("EndpointConfigName")
        if configuration != self.model.endpoint_config_name:
            detail = f"{name} is on {configuration}, not on {self.model.endpoint_config_name}"
            raise FailedError(detail, _CHANGED, commands("apply"))
        variants = sorted(variant["VariantName"] for variant in endpoint.get("ProductionVariants", []))
        if variants != sorted(self.model.variant_names):
            detail = f"{name} has the variants {variants}, not {sorted(self.model.variant_names)}"
            raise FailedError(detail, _CHANGED, commands("drift"))
        self._check_models()
        return f"{name}{self._instances(endpoint)}"

    def autoscaling(self) -> str:
        """Check that every variant has its scalable target, its scaling policy, and enough instances.

        Raises:
            FailedError: something is missing.
        """
        commands, service = self._commands, self.context.access.autoscaling
        resources = {
            variant: f"endpoint/{self.model.endpoint_name}/variant/{variant}"
            for variant in self.model.variant_names
        }
        targets: dict[str, ScalableTargetTypeDef] = {
            target["ResourceId"]: target
            for target in service.describe_scalable_targets(
                ServiceNamespace="sagemaker", ResourceIds=list(resources.values())
            )["ScalableTargets"]
        }
        bounds = []
        for variant, resource in resources.items():
            target = targets.get(resource)
            if target is None:
                cause = "it was deregistered outside of the toolkit"
                raise FailedError(f"variant {variant} has no scalable target", cause, commands("apply"))
            least, most = target["MinCapacity"], target["MaxCapacity"]
            if most > least and not self._scales(resource):
                cause = "it was deleted outside of the toolkit"
                raise FailedError(f"variant {variant} has no scaling policy", cause, commands("apply"))
            bounds.append(_instances(least, most))
        self._check_counts({variant: targets[name]["MinCapacity"] for variant, name in resources.items()})
        return ", ".join(bounds)

    def alarms(self) -> str:
        """Check that the alarms that roll back an update exist and do not fire.

        Raises:
            FailedError: one of them is missing or fires.
        """
        commands, names = self._commands, self.model.alarm_names
        prefix = f"{self.context.environment.prefix}-"
        own = [name for name in names if name.startswith(prefix)]
        # Alarms of `rollout.alarms.extra` may need another permission.
        for group in (own, [name for name in names if name not in own]):
            if not group:
                continue
            response = self.context.access.cloudwatch.describe_alarms(
                AlarmNames=group, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
            alarms = [*response.get("MetricAlarms", []), *response.get("CompositeAlarms", [])]
            missing = sorted(set(group) - {alarm["AlarmName"] for alarm in alarms})
            if missing:
                cause = "it was deleted outside of the toolkit"
                raise FailedError(f"alarm {missing[0]} does not exist", cause, commands("apply"))
            for alarm in alarms:
                if alarm["StateValue"] == "ALARM":
                    detail = f"alarm {alarm['AlarmName']} fires: {alarm.get('StateReason', '')}"
                    cause = "requests to the endpoint fail or are slow"
                    raise FailedError(detail, cause, commands(f"logs {self._name}"))
        return f"{len(names)} quiet"

    @property
    def _name(self) -> str:
        prefix = f"{self.context.environment.prefix}-"
        return self.model.endpoint_name.removeprefix(prefix)

    def _stable(self) -> Description | None:
        """The endpoint once SageMaker works on it no more and its instances run, or when the time is over."""
        access, name = self.context.access, self.model.endpoint_name
        endpoint = endpoints.describe(access, name)
        if endpoint is None or not _changing(endpoint):
            return endpoint
        deadline, polling = time.monotonic() + self.seconds, waiters.pace(access)
        with self.context.console.progress(f"waiting for {name}") as progress:
            while endpoint is not None and _changing(endpoint) and time.monotonic() < deadline:
                progress.update(status.phase(endpoint))
                # SageMaker has no event to wait for.
                time.sleep(polling.next(changed=False))
                endpoint = endpoints.describe(access, name)
        return endpoint

    def _check_models(self) -> None:
        name = self.model.endpoint_config_name
        configuration = self.context.access.sagemaker.describe_endpoint_config(EndpointConfigName=name)
        for variant in configuration["ProductionVariants"]:
            variant_name, served = variant["VariantName"], variant.get("ModelName")
            planned = self.model.model_names.get(variant_name)
            if served != planned:
                detail = f"variant {variant_name} of {name} serves {served}, not {planned}"
                raise FailedError(detail, _CHANGED, self._commands("drift"))

    def _instances(self, endpoint: Description) -> str:
        if self.model.endpoint_type == "serverless":
            return ", serverless"
        count = sum(
            variant.get("CurrentInstanceCount", 0) for variant in endpoint.get("ProductionVariants", [])
        )
        return f", {count} instance{'' if count == 1 else 's'}"

    def _scales(self, resource: str) -> bool:
        policies = self.context.access.autoscaling.describe_scaling_policies(
            ServiceNamespace="sagemaker", ResourceId=resource
        )
        return bool(policies["ScalingPolicies"])

    def _check_counts(self, least: Mapping[str, int]) -> None:
        endpoint = self._stable()
        for variant in endpoint.get("ProductionVariants", []) if endpoint else []:
            count, required = variant.get("CurrentInstanceCount", 0), least.get(variant["VariantName"], 0)
            if count < required:
                detail = f"variant {variant['VariantName']} has {count} instances, fewer than {required}"
                cause = "the fleet was scaled in outside of the toolkit, or AWS lacks capacity"
                raise FailedError(detail, cause, self._commands("status"))


def _changing(endpoint: Description) -> bool:
    if endpoint["EndpointStatus"] in endpoints.MOVING:
        return True
    return any(
        variant.get("CurrentInstanceCount", 0) < variant.get("DesiredInstanceCount", 0)
        for variant in endpoint.get("ProductionVariants", [])
    )


def _instances(least: int, most: int) -> str:
    numbers = f"{least} to {most}" if most > least else str(least)
    return f"{numbers} instance{'' if numbers == '1' else 's'}"
