"""The deployment that a benchmark measures, as the environment's state and SageMaker describe it."""

from __future__ import annotations

from toolkit.aws import endpoints, state_bucket
from toolkit.bench.results import Subject
from toolkit.deployment import measured, releases
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.errors import InputError, PreflightError


def of(context: Context, outputs: Outputs, model_name: str) -> Subject:
    """The subject of a benchmark of a deployed model.

    Args:
        context: the environment.
        outputs: what is deployed.
        model_name: the model.

    Raises:
        InputError: no such model is deployed.
        PreflightError: its endpoint does not serve the configuration of the last apply.
    """
    env = context.environment.name
    model = outputs.models.get(model_name)
    if model is None:
        choices = ", ".join(outputs.models)
        raise InputError(f"{env} has no model {model_name}", remedy=f"choose one of: {choices}")
    if outputs.paused:
        raise PreflightError(f"cannot measure {model_name}: {env} is paused", remedy=f"make resume ENV={env}")
    instances = _instances(context, model_name, outputs)
    environment = context.environment
    content = state_bucket.read(context.access, environment.state_bucket, environment.state_key)
    latest = releases.of(context).latest()
    try:
        resources = measured.Resources.of_state(
            content or b"", context.state_uri, environment.model_store_bucket
        )
        return resources.subject(model, instances, None if latest is None else latest.number)
    except measured.UnknownError:
        raise PreflightError(
            f"cannot measure {model_name}: the state does not describe its model, configuration and gateway",
            where=context.state_uri,
            remedy=f"complete the last apply: make apply ENV={env}",
        ) from None


def _instances(context: Context, name: str, outputs: Outputs) -> int:
    """Number of instances in service; 0 if the endpoint is serverless.

    Raises:
        PreflightError: see `of`.
    """
    env, model = context.environment.name, outputs.models[name]
    endpoint = endpoints.describe(context.access, model.endpoint_name)
    if endpoint is None:
        reason = "does not exist"
    elif endpoint["EndpointStatus"] != "InService":
        reason = f"is {endpoint['EndpointStatus']}"
    elif endpoint.get("EndpointConfigName") != model.endpoint_config_name:
        reason = f"serves {endpoint.get('EndpointConfigName')}, not {model.endpoint_config_name}"
    else:
        return sum(variant.get("CurrentInstanceCount", 0) for variant in endpoint["ProductionVariants"])
    raise PreflightError(
        f"cannot measure {name}: its endpoint {model.endpoint_name} {reason}",
        remedy=f"see `toolkit status --env {env}`",
    )
