"""Variables of one model for the inference stack."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from toolkit.environment import Environment, Model, ResolvedVariant
from toolkit.environment.capacity import Capacity
from toolkit.environment.rollout import AllAtOnce, Rolling, Rollout, quality_namespace
from toolkit.rendering import s3_uris
from toolkit.rendering.containers import container_variables


def model_variables(
    environment: Environment,
    name: str,
    staged_uris: Mapping[str, str],
    weights_bytes: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, object]:
    """One entry of the variable `models` of `stacks/inference`.

    Args:
        environment: the environment.
        name: the model.
        staged_uris: S3 prefixes of the staged weights, by `ResolvedVariant.weights`.
        weights_bytes: known sizes of the staged weights, likewise.

    Raises:
        ValueError: the prefix of staged weights is missing.
        InputError: weights do not fit on an instance.
    """
    model = environment.models[name]

    def container(variant: ResolvedVariant) -> dict[str, object]:
        name = variant.weights
        return container_variables(environment, variant, staged_uris.get(name), weights_bytes.get(name))

    shadow = model.resolved_shadow(name)
    return {
        "aliases": list(model.aliases),
        "dialect": model.dialect,
        "capabilities": model.capabilities,
        "operations": model.operations,
        "limits": model.limits.model_dump(),
        "fallback": model.fallback,
        "price": model.price.model_dump() if model.price is not None else None,
        "endpoint": _endpoint(environment, name),
        "variants": {
            key: {
                "weight": variant.weight,
                **container(variant),
                "capacity": _capacity(model, variant.capacity),
            }
            for key, variant in model.resolved_variants(name).items()
        },
        "shadow": None if shadow is None else _shadow(model, shadow, container(shadow)),
        "rollout": _rollout(model.rollout_in_effect, environment.prefix),
        "routing": model.routing if model.serverless is None else None,
        "kms_key_arn": model.kms_key_arn,
        "vpc": model.vpc.model_dump() if model.vpc is not None else None,
        "data_capture": _data_capture(environment, name),
    }


def _endpoint(environment: Environment, name: str) -> dict[str, object]:
    model = environment.models[name]
    serverless, asynchronous = model.serverless, model.asynchronous
    output, failure = s3_uris.async_output(environment, name)
    return {
        "type": model.endpoint_type,
        "serverless": serverless.model_dump() if serverless is not None else None,
        "async": None
        if asynchronous is None
        else {
            "output_s3_uri": output,
            "failure_s3_uri": failure,
            "success_topic_arn": asynchronous.success_topic_arn,
            "error_topic_arn": asynchronous.error_topic_arn,
            "max_concurrent_invocations": asynchronous.max_concurrent_invocations,
        },
    }


def _capacity(model: Model, capacity: Capacity) -> dict[str, object] | None:
    if model.serverless is not None:
        return None
    to_zero = model.asynchronous is not None and model.asynchronous.scale_to_zero
    return {
        "min": 0 if to_zero else capacity.min,
        "max": capacity.max,
        "concurrent_requests": capacity.concurrent_requests,
        "scale_in_cooldown_seconds": capacity.scale_in_cooldown_seconds,
        "scale_out_cooldown_seconds": capacity.scale_out_cooldown_seconds,
        "schedules": {
            schedule.name: {
                "schedule": schedule.expression,
                "timezone": schedule.timezone,
                "min": schedule.min,
                "max": schedule.max,
            }
            for schedule in capacity.schedules
        },
    }


def _shadow(model: Model, variant: ResolvedVariant, container: Mapping[str, object]) -> dict[str, object]:
    percent = model.shadow.sampling_percent if model.shadow is not None else 0
    return {"sampling_percent": percent, **container, "instance_count": variant.capacity.min}


def _rollout(rollout: Rollout | None, prefix: str) -> dict[str, object] | None:
    if rollout is None:
        return None
    quality = {"quality_namespace": quality_namespace(prefix)} if rollout.quality else {}
    return {
        "strategy": rollout.strategy,
        "percent": None if isinstance(rollout, AllAtOnce) else rollout.percent,
        "wait_seconds": None if isinstance(rollout, AllAtOnce) else rollout.wait_seconds,
        "bake_seconds": None if isinstance(rollout, Rolling) else rollout.bake_seconds,
        "timeout_seconds": rollout.timeout_seconds,
        "alarms": rollout.alarms.model_dump(),
        **quality,
    }


def _data_capture(environment: Environment, name: str) -> dict[str, object] | None:
    capture = environment.models[name].data_capture
    if capture is None:
        return None
    uri = s3_uris.data_capture(environment, name)
    return {"percent": capture.percent, "s3_uri": uri, "kms_key_arn": capture.kms_key_arn}
