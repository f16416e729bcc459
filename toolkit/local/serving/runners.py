"""The model server that replaces a container image."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from toolkit.local.serving import stand_in
from toolkit.serving import catalogue, operations

_LLAMA_CPP, _LLAMA_CPP_REPOSITORY = "llama_cpp", "llama-cpp"


class UnsupportedImageError(Exception):
    """No model server replaces the image."""


def command(image: str, environment: Mapping[str, str]) -> list[str]:
    """The command of the model server for a container.

    Args:
        image: the image's URI.
        environment: the container's environment.

    Raises:
        UnsupportedImageError: no model server replaces the image.
    """
    if stand_in.SETTING in os.environ:
        return _command("stand_in", stand_in.read(Path(os.environ[stand_in.SETTING])))
    if "OPENAI_BASE_URL" in environment:
        return _command("openai_proxy")
    if _repository(image) != _LLAMA_CPP_REPOSITORY:
        raise UnsupportedImageError(
            f"The embedded cloud has no container runtime and cannot run the image {image}. Serve a GGUF "
            "model with llama.cpp (engine llama_cpp, repository llama-cpp), or forward requests to an "
            "OpenAI-compatible server that runs on this machine (`source: {server: …}`)."
        )
    release = catalogue.published_release(_LLAMA_CPP, image)
    served = operations.OPERATIONS if release is None else operations.served(_LLAMA_CPP, release, environment)
    return _command(_LLAMA_CPP, *(served if len(served) == 1 else ()))


def _command(runner: str, *arguments: str) -> list[str]:
    # -P: do not import the model's files in the working directory as Python modules.
    return [sys.executable, "-P", "-m", f"toolkit.local.serving.{runner}", *arguments]


def _repository(image: str) -> str:
    """The last part of the image's repository name, without tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
