"""The section `serving` of a model: engine, container image and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.environment.options import (
    VALUE,
    LlamaCppOptions,
    LmiOptions,
    Options,
    TeiOptions,
    TgiOptions,
    VllmOptions,
    variable_name,
)
from toolkit.serving import catalogue, operations
from toolkit.serving.engines import ENGINES, OptionValue
from toolkit.serving.operations import OPERATIONS, Operation


def _check_ami_version(value: str) -> Invalid | None:
    versions = catalogue.inference_ami_versions()
    if value in versions:
        return None
    return Invalid(f"unknown machine image {value!r}", f"use one of {', '.join(versions)}")


AmiVersion = Annotated[str, Checked(_check_ami_version, {"enum": [*catalogue.inference_ami_versions()]})]


ImageUri = Annotated[str, matching(r"\S{1,255}", "use registry/repository:tag")]
# SageMaker allows 100 variables; the toolkit sets some of them.
MAX_VARIABLES = 80


class BaseServing(ConfigModel):
    """Settings of all engines."""

    engine: str
    """Serving engine."""
    image: ImageUri | None = None
    """URI of an own container image instead of the AWS image: see docs/how-to/own-images.md."""
    inference_ami_version: AmiVersion | None = None
    """Inference AMI of the instances; by default the one that the CUDA release of the container and the GPUs
    require. An own image is assumed to have the CUDA release in its tag (`-cu130`), or that of the AWS image.
    For `engine: custom`, the default is SageMaker's, with an old driver on some GPUs."""

    def flags(self) -> dict[str, OptionValue]:
        """The options that the file sets."""
        return {}

    def capabilities(self) -> list[str]:
        """The tasks of the model besides text."""
        return []

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the API that the container serves."""
        return OPERATIONS


class CatalogueServing(BaseServing):
    """An engine with images published by AWS."""

    version: Annotated[str, matching(r"\d+(\.\d+)*", 'use a version in quotes, such as "2.6"')] | None = (
        Field(default=None, examples=["2.6"])
    )
    """Version of the AWS container image, in quotes; by default the newest one in the region."""
    options: Options = Options()
    """Options of the engine."""

    def flags(self) -> dict[str, OptionValue]:
        """The options that the file sets."""
        return self.options.explicit()

    @property
    def release(self) -> str | None:
        """The version of the AWS image; None for an own image."""
        if self.image is not None:
            return catalogue.published_release(self.engine, self.image)
        return catalogue.release(self.engine, self.version)

    def variables(self) -> dict[str, str]:
        """The environment variables that the file sets."""
        environment: dict[str, str] = getattr(self, "environment", {})
        return ENGINES[self.engine].environment(self.flags()) | environment

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the API that the container serves."""
        if self.release is None:
            return operations.own_image(self.engine)
        return operations.served(self.engine, self.release, self.variables())

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if self.version is not None and self.image is not None:
            raise Invalid(
                "both version and image are set",
                "remove one: the tag of a custom image contains its version",
            ).error()
        return self


class LlamaCppServing(CatalogueServing):
    """llama.cpp: GGUF files on CPUs or one GPU."""

    engine: Literal["llama_cpp"]
    options: LlamaCppOptions = LlamaCppOptions()
    environment: dict[
        Annotated[str, variable_name("llama_cpp", LlamaCppOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Additional environment variables of the container, without secrets."""

    def capabilities(self) -> list[str]:
        """`media` in messages, `embeddings` and `rerank`, if the file enables them.

        With `reranking`, llama.cpp's embeddings are all zeros.
        """
        options = {name for name, value in self.flags().items() if value}
        variables = {
            name.removeprefix("LLAMA_ARG_").lower()
            for name, value in self.environment.items()
            if name.startswith("LLAMA_ARG_") and value not in ("", "0", "false", "off", "disabled")
        }
        needed = {
            "media": {"mmproj", "mmproj_url"},
            "embeddings": {"embeddings", "embedding"},
            "rerank": {"reranking", "rerank"},
        }
        tasks = [task for task, names in needed.items() if names & (options | variables)]
        return [task for task in tasks if task != "embeddings" or "rerank" not in tasks]

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the API that the container serves: an own one, those that the file enables."""
        if self.release is not None:
            return super().operations()
        tasks = self.capabilities()
        ranking: tuple[Operation, ...] = ("rerank", "score") if "rerank" in tasks else ()
        embeddings: tuple[Operation, ...] = ("embeddings",) if "embeddings" in tasks else ()
        return ("chat", "completions", *embeddings, *ranking)


class VllmServing(CatalogueServing):
    """vLLM: Hugging Face models on GPUs."""

    engine: Literal["vllm"]
    task: Literal["text", "embeddings", "rerank"] = "text"
    """Task of the model, which the smoke test requests."""
    options: VllmOptions = VllmOptions()
    environment: dict[
        Annotated[str, variable_name("vllm", VllmOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Additional environment variables of the container, without secrets."""

    def capabilities(self) -> list[str]:
        """`embeddings` or `rerank`, if that is the task."""
        return [] if self.task == "text" else [self.task]


class LmiServing(CatalogueServing):
    """AWS Large Model Inference, which is DJL Serving with vLLM: Hugging Face models on GPUs."""

    engine: Literal["lmi"]
    options: LmiOptions = LmiOptions()
    environment: dict[
        Annotated[str, variable_name("lmi", LmiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Additional environment variables of the container, without secrets."""

    def flags(self) -> dict[str, OptionValue]:
        """The options that the file sets, and those that LMI's embedding guide adds for its handler."""
        options = super().flags()
        return _LMI_EMBEDDINGS | options if _creates_embeddings(options) else options

    def capabilities(self) -> list[str]:
        """`embeddings`, if the option `task` is one of those for them."""
        return ["embeddings"] if _creates_embeddings(self.flags()) else []


# deepjavalibrary/djl-serving `serving/docs/lmi/user_guides/embedding-user-guide.md`: without them, only
# models with the architecture of a text generator get the handler.
_LMI_EMBEDDINGS: dict[str, OptionValue] = {"async_mode": True, "rolling_batch": "disable"}


def _creates_embeddings(options: Mapping[str, OptionValue]) -> bool:
    return options.get("task") in operations.LMI_EMBEDDING_TASKS


class TgiServing(CatalogueServing):
    """Text Generation Inference: Hugging Face models on GPUs. No longer developed; prefer vLLM."""

    engine: Literal["tgi"]
    options: TgiOptions = TgiOptions()
    environment: dict[
        Annotated[str, variable_name("tgi", TgiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Additional environment variables of the container, without secrets."""


class TeiServing(CatalogueServing):
    """Text Embeddings Inference: Hugging Face embedding models on CPUs or one GPU."""

    engine: Literal["tei"]
    task: Literal["embeddings", "rerank"] = "embeddings"
    """Task of the model, which the smoke test requests; `rerank` for a classifier with one label."""
    options: TeiOptions = TeiOptions()
    environment: dict[
        Annotated[str, variable_name("tei", TeiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Additional environment variables of the container, without secrets."""

    def capabilities(self) -> list[str]:
        """`rerank`, if that is the task."""
        return ["rerank"] if self.task == "rerank" else []


class CustomServing(BaseServing):
    """A custom container, which serves `/ping` and `/invocations` on port 8080."""

    engine: Literal["custom"]
    image: ImageUri = Field(examples=["123456789012.dkr.ecr.us-east-1.amazonaws.com/my-server:1.0"])
    """URI of the container image."""
    environment: dict[Annotated[str, variable_name("custom")], Annotated[str, VALUE]] = Field(
        default={}, max_length=MAX_VARIABLES
    )
    """Environment variables of the container, without secrets."""


Serving = Annotated[
    LlamaCppServing | VllmServing | LmiServing | TgiServing | TeiServing | CustomServing,
    Field(discriminator="engine"),
]
