"""Which program stands in for which container image."""

from __future__ import annotations

import sys
from collections.abc import Mapping

_BY_REPOSITORY = {"llama-cpp": "llama_cpp"}


class UnsupportedImageError(Exception):
    """The image would need a container runtime."""


def command(image: str, environment: Mapping[str, str]) -> list[str]:
    """The command of the model server for a container.

    Args:
        image: the image's URI.
        environment: the container's environment.

    Raises:
        UnsupportedImageError: there is none; the message says what there is.
    """
    if "OPENAI_BASE_URL" in environment:
        runner: str | None = "openai_proxy"
    else:
        runner = _BY_REPOSITORY.get(_repository(image))
    if runner is None:
        raise UnsupportedImageError(
            f"The embedded cloud has no container runtime and cannot run the image {image}. It serves GGUF "
            "models with llama.cpp (engine llama_cpp, repository llama-cpp), and can pass requests on to an "
            "OpenAI-compatible server that already runs on this machine (`source: {server: …}`)."
        )
    # -P: the working directory holds the model's files, which must not be taken for Python modules.
    return [sys.executable, "-P", "-m", f"toolkit.local.serving.{runner}"]


def _repository(image: str) -> str:
    """The last part of the image's name, without registry, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
