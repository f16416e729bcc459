"""Variables of one container: image, environment and weights."""

from __future__ import annotations

from toolkit.environment import Environment, HubSource, ResolvedVariant, S3Source, ServerSource
from toolkit.serving import catalogue
from toolkit.serving.engines import (
    ENGINES,
    Hub,
    container_environment,
    forward_compatibility,
)


def container_variables(
    environment: Environment, variant: ResolvedVariant, staged_uri: str | None
) -> dict[str, object]:
    """The container settings of one variant of the variable `models` of `stacks/inference`.

    Args:
        environment: the environment.
        variant: the variant.
        staged_uri: S3 prefix of the staged weights.

    Raises:
        ValueError: the prefix of staged weights is missing.
    """
    model = environment.models[variant.model]
    weights = variant.source.s3 if isinstance(variant.source, S3Source) else staged_uri
    if variant.is_staged and weights is None:
        raise ValueError(f"no S3 prefix for the staged weights of {variant.weights}")
    engine = ENGINES[variant.engine]
    image = variant.image(environment.region)
    ami_version = variant.inference_ami_version(image)
    return {
        "image": image.uri,
        "environment": {
            **forward_compatibility(engine, image, ami_version),
            **_environment(variant),
            **variant.serving.environment,
        },
        "model_data_s3_uri": weights,
        # SageMaker does not support isolation for serverless endpoints.
        "network_isolation": weights is not None and model.serverless is None,
        "startup_timeout_seconds": model.startup_timeout_seconds,
        "download_timeout_seconds": model.download_timeout_seconds or model.startup_timeout_seconds,
        "instance_type": variant.instance_type,
        "inference_ami_version": ami_version,
    }


def _environment(variant: ResolvedVariant) -> dict[str, str]:
    source = variant.source
    if isinstance(source, ServerSource):
        # The embedded cloud forwards requests to this server instead of starting one.
        return {"OPENAI_BASE_URL": source.server, "OPENAI_MODEL": source.model or variant.model}
    hub = Hub(source.hub, source.revision) if isinstance(source, HubSource) and not source.staged else None
    return container_environment(
        ENGINES[variant.engine],
        served_name=variant.model,
        options=variant.serving.flags(),
        instance=catalogue.hardware(variant.instance_type),
        hub=hub,
    )
