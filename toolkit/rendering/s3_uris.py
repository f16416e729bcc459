"""Where in S3 endpoints write."""

from __future__ import annotations

from toolkit.environment import Environment


def async_output(environment: Environment, name: str) -> tuple[str | None, str | None]:
    """S3 prefixes of the answers and of the failures of a model; None where it has none.

    Args:
        environment: the environment.
        name: the model.
    """
    asynchronous = environment.models[name].asynchronous
    if asynchronous is None:
        return None, None
    output = asynchronous.output_s3 or _in_model_store(environment, name, "async")
    # Their names differ, and without a prefix SageMaker would keep no word of what failed.
    return output, asynchronous.failure_s3 or output


def data_capture(environment: Environment, name: str) -> str | None:
    """S3 prefix of a model's captured requests and answers, if any are kept.

    Args:
        environment: the environment.
        name: the model.
    """
    capture = environment.models[name].data_capture
    return None if capture is None else capture.s3_uri or _in_model_store(environment, name, "data-capture")


def _in_model_store(environment: Environment, name: str, folder: str) -> str:
    return f"s3://{environment.model_store_bucket}/{name}/{folder}/"
