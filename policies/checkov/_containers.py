"""The containers of a SageMaker model."""

from __future__ import annotations

from _rule import Conf, blocks, unknown, value

MODEL = "aws_sagemaker_model"


def containers(conf: Conf) -> list[Conf]:
    """A model's primary container and further containers."""
    return [*blocks(conf, "primary_container"), *blocks(conf, "container")]


def environment(block: Conf) -> dict[str, str]:
    """The environment variables of a container, or of a function's `environment` block."""
    variables = value(block, "environment") or value(block, "variables")
    if not isinstance(variables, dict):
        return {}
    return {name: str(value(variables, name) or "") for name in variables if not name.startswith("__")}


def staged(container: Conf) -> bool:
    """Whether SageMaker downloads the weights, so that the container does not have to."""
    url = value(container, "model_data_url")
    # In source code, the expression of a module's optional variable may be null.
    return bool((url and not unknown(url)) or blocks(container, "model_data_source"))
