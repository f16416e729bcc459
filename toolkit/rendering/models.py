"""What Terraform is told of each model: image, container environment, hardware."""

from __future__ import annotations

from toolkit.environment import (
    Environment,
    HubSource,
    Model,
    PackageSource,
    PathSource,
    S3Source,
    ServerSource,
)
from toolkit.serving import catalogue
from toolkit.serving.catalogue import Image
from toolkit.serving.engines import (
    ENGINES,
    container_environment,
    forward_compatibility,
    inference_ami_version,
)


def model_variables(environment: Environment, name: str, staged_uri: str | None) -> dict[str, object]:
    """One entry of the variable `models` of `stacks/inference`.

    Args:
        environment: the environment.
        name: the model.
        staged_uri: S3 prefix of its weights in the model store, if they come from this machine.

    Raises:
        ValueError: they come from this machine, and the prefix is not given.
    """
    model = environment.models[name]
    if isinstance(model.source, PackageSource | PathSource) and staged_uri is None:
        raise ValueError(f"where are the weights of {name} in the model store?")
    engine = ENGINES[model.serving.engine]
    image = _image(environment, model)
    ami_version = model.serving.inference_ami_version or inference_ami_version(engine, image)
    weights = model.source.s3 if isinstance(model.source, S3Source) else staged_uri
    return {
        "image": image.uri,
        "environment": {
            **forward_compatibility(engine, image, ami_version),
            **_container_environment(model, name),
            **model.serving.environment,
        },
        "model_data_s3_uri": weights,
        "network_isolation": weights is not None,
        "instance_type": model.instance_type,
        "inference_ami_version": ami_version,
        "capacity": {"min": model.capacity.min, "max": model.capacity.max},
        "startup_timeout_seconds": model.startup_timeout_seconds,
        "aliases": list(model.aliases),
    }


def _image(environment: Environment, model: Model) -> Image:
    serving = model.serving
    if serving.image is not None:
        return Image(serving.image, version="", cuda=None)
    return catalogue.resolve(serving.engine, serving.version, environment.region, model.instance_type)


def _container_environment(model: Model, name: str) -> dict[str, str]:
    source = model.source
    if isinstance(source, ServerSource):
        # Understood by the embedded cloud, which relays to that server instead of starting one.
        return {"OPENAI_BASE_URL": source.server, "OPENAI_MODEL": source.model or name}
    return container_environment(
        ENGINES[model.serving.engine],
        served_name=name,
        options=model.serving.options.given(),
        instance=catalogue.instances()[model.instance_type],
        hub=(source.hub, source.revision) if isinstance(source, HubSource) else None,
    )
