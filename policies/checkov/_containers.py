"""The containers of a SageMaker model."""

from __future__ import annotations

from _rule import Conf, blocks, value

MODEL = "aws_sagemaker_model"


def containers(conf: Conf) -> list[Conf]:
    """The containers of a model."""
    return [*blocks(conf, "primary_container"), *blocks(conf, "container")]


def environment(block: Conf) -> dict[str, str]:
    """The environment variables of a container or of a function's `environment` block."""
    found = value(block, "environment") or value(block, "variables")
    if not isinstance(found, dict):
        return {}
    return {name: str(value(found, name) or "") for name in found if not name.startswith("__")}


def staged(container: Conf) -> bool:
    """Whether SageMaker fetches the weights, so that the container need not."""
    return bool(value(container, "model_data_url") or blocks(container, "model_data_source"))
