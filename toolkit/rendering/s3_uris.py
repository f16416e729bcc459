"""S3 prefixes that endpoints write to."""

from __future__ import annotations

from toolkit.environment import Environment


def async_output(environment: Environment, name: str) -> tuple[str | None, str | None]:
    """S3 prefixes of the responses and errors of an asynchronous model; None for other models.

    Args:
        environment: the environment.
        name: the model.
    """
    asynchronous = environment.models[name].asynchronous
    if asynchronous is None:
        return None, None
    output = asynchronous.output_s3 or _in_model_store(environment, name, "async")
    # File names differ, and without a prefix SageMaker would discard errors.
    return output, asynchronous.failure_s3 or output


def data_capture(environment: Environment, name: str) -> str | None:
    """S3 prefix of the captured data of a model; None without data capture.

    Args:
        environment: the environment.
        name: the model.
    """
    capture = environment.models[name].data_capture
    return None if capture is None else capture.s3_uri or _in_model_store(environment, name, "data-capture")


def _in_model_store(environment: Environment, name: str, folder: str) -> str:
    return f"s3://{environment.model_store_bucket}/{name}/{folder}/"
