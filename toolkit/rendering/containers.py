"""Variables of one container: image, environment and weights."""

from __future__ import annotations

import hashlib
import json
import math

from toolkit.environment import Environment, HubSource, ResolvedVariant, S3Source, ServerSource
from toolkit.errors import InputError
from toolkit.serving import catalogue
from toolkit.serving.engines import (
    ENGINES,
    Hub,
    container_environment,
    forward_compatibility,
)

# ProductionVariant.VolumeSizeInGB in botocore.
MAX_VOLUME_GB = 512


def container_variables(
    environment: Environment,
    variant: ResolvedVariant,
    staged_uri: str | None,
    weights_bytes: int | None = None,
) -> dict[str, object]:
    """The container settings of one variant of the variable `models` of `stacks/inference`.

    Args:
        environment: the environment.
        variant: the variant.
        staged_uri: S3 prefix of the staged weights.
        weights_bytes: their size, if it is known.

    Raises:
        ValueError: the prefix of staged weights is missing.
        InputError: the weights do not fit on the instance.
    """
    model = environment.models[variant.model]
    weights = variant.source.s3 if isinstance(variant.source, S3Source) else staged_uri
    if variant.is_staged and weights is None:
        raise ValueError(f"no S3 prefix for the staged weights of {variant.weights}")
    engine = ENGINES[variant.engine]
    image = variant.image(environment.region)
    ami_version = variant.inference_ami_version(image)
    name = variant.model
    if model.rollout is not None and model.rollout.quality:
        name = _release_name(variant, image.uri, weights)
    return {
        "image": image.uri,
        "environment": {
            **forward_compatibility(engine, image, ami_version),
            **_environment(variant, name),
            **variant.serving.environment,
        },
        "model_data_s3_uri": weights,
        # SageMaker does not support isolation for serverless endpoints.
        "network_isolation": weights is not None and model.serverless is None,
        "startup_timeout_seconds": model.startup_timeout_seconds,
        "download_timeout_seconds": model.download_timeout_seconds or model.startup_timeout_seconds,
        "instance_type": variant.instance_type,
        "inference_ami_version": ami_version,
        "volume_size_gb": _volume_size(environment, variant, weights_bytes),
    }


def _volume_size(environment: Environment, variant: ResolvedVariant, weights_bytes: int | None) -> int | None:
    """Size of the volume for the weights; None is SageMaker's default, or local disks."""
    if variant.instance_type is None:
        return None
    disk = catalogue.hardware(variant.instance_type).disk_gb
    configured = None if disk else environment.models[variant.model].volume_size_gb
    size = math.ceil((weights_bytes or 0) / 2**30)
    space = disk or configured or MAX_VOLUME_GB
    if size > space:
        raise InputError(
            f"the weights have {size} GB, but {variant.instance_type} has room for {space} GB",
            where=f"{environment.file}: {'.'.join(map(str, variant.path('instance_type')))}",
            remedy="raise volume_size_gb" if configured else "use an instance type with larger local disks",
        )
    needed = size + max(10, size // 10)
    if disk or configured or needed <= catalogue.DEFAULT_VOLUME_GB:
        return configured
    return min(needed, MAX_VOLUME_GB)


def _release_name(variant: ResolvedVariant, image: str, weights: str | None) -> str:
    """A name for the served model that tells the old fleet's responses from the new fleet's.

    The gateway sends requests without a name, and clients see the model's name in the API.
    """
    content = [image, _environment(variant, ""), variant.serving.environment, weights]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{variant.model}@{digest[:8]}"


def _environment(variant: ResolvedVariant, served_name: str) -> dict[str, str]:
    source = variant.source
    if isinstance(source, ServerSource):
        # The embedded cloud forwards requests to this server instead of starting one.
        return {"OPENAI_BASE_URL": source.server, "OPENAI_MODEL": source.model or variant.model}
    hub = Hub(source.hub, source.revision) if isinstance(source, HubSource) and not source.staged else None
    return container_environment(
        ENGINES[variant.engine],
        served_name=served_name,
        options=variant.serving.flags(),
        instance=catalogue.hardware(variant.instance_type),
        hub=hub,
    )
