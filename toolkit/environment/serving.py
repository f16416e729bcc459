"""How a model is served: the engine, its container image, its options."""

from __future__ import annotations

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
from toolkit.serving import catalogue
from toolkit.serving.engines import OptionValue


def _check_ami_version(value: str) -> Invalid | None:
    known = catalogue.inference_ami_versions()
    if value in known:
        return None
    return Invalid(f"there is no machine image {value!r}", f"SageMaker has {', '.join(known)}")


AmiVersion = Annotated[str, Checked(_check_ami_version, {"enum": [*catalogue.inference_ami_versions()]})]


ImageUri = Annotated[str, matching(r"\S{1,255}", "write registry/repository:tag")]
# SageMaker takes 100 variables; some are the toolkit's.
MAX_VARIABLES = 80


class BaseServing(ConfigModel):
    """What all engines have in common."""

    engine: str
    """The program that serves the model."""
    image: ImageUri | None = None
    """URI of another container image with the same contract, instead of AWS's."""
    inference_ami_version: AmiVersion | None = None
    """Machine image of the instances; by default the one that the container's CUDA release needs."""

    def flags(self) -> dict[str, OptionValue]:
        """Flags of the engine's server that the file sets."""
        return {}


class CatalogueServing(BaseServing):
    """An engine that AWS publishes images of."""

    version: Annotated[str, matching(r"\d+(\.\d+)*", 'write a version in quotes, as in "2.6"')] | None = (
        Field(default=None, examples=["2.6"])
    )
    """Version of AWS's container image for the engine, in quotes; by default the newest one in the region."""
    options: Options = Options()
    """Flags of the engine's server."""

    def flags(self) -> dict[str, OptionValue]:
        """Flags of the engine's server that the file sets."""
        return self.options.given()

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if self.version is not None and self.image is not None:
            raise Invalid(
                "both version and image are given",
                "remove one: an image of your own has its version in its tag",
            ).error()
        return self


class LlamaCppServing(CatalogueServing):
    """llama.cpp: GGUF files on CPUs or a GPU."""

    engine: Literal["llama_cpp"]
    """The program that serves the model."""
    options: LlamaCppOptions = LlamaCppOptions()
    """Flags of the engine's server."""
    environment: dict[
        Annotated[str, variable_name("llama_cpp", LlamaCppOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Further environment variables of the container; never secrets."""


class VllmServing(CatalogueServing):
    """vLLM: Hugging Face models on GPUs."""

    engine: Literal["vllm"]
    """The program that serves the model."""
    options: VllmOptions = VllmOptions()
    """Flags of the engine's server."""
    environment: dict[
        Annotated[str, variable_name("vllm", VllmOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Further environment variables of the container; never secrets."""


class LmiServing(CatalogueServing):
    """AWS's Large Model Inference, DJL Serving with vLLM inside: Hugging Face models on GPUs."""

    engine: Literal["lmi"]
    """The program that serves the model."""
    options: LmiOptions = LmiOptions()
    """Flags of the engine's server."""
    environment: dict[
        Annotated[str, variable_name("lmi", LmiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Further environment variables of the container; never secrets."""


class TgiServing(CatalogueServing):
    """Text Generation Inference: Hugging Face models on GPUs; no longer developed, so not a first choice."""

    engine: Literal["tgi"]
    """The program that serves the model."""
    options: TgiOptions = TgiOptions()
    """Flags of the engine's server."""
    environment: dict[
        Annotated[str, variable_name("tgi", TgiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Further environment variables of the container; never secrets."""


class TeiServing(CatalogueServing):
    """Text Embeddings Inference: embedding models of Hugging Face, on CPUs or one GPU."""

    engine: Literal["tei"]
    """The program that serves the model."""
    options: TeiOptions = TeiOptions()
    """Flags of the engine's server."""
    environment: dict[
        Annotated[str, variable_name("tei", TeiOptions.model_fields)], Annotated[str, VALUE]
    ] = Field(default={}, max_length=MAX_VARIABLES)
    """Further environment variables of the container; never secrets."""


class CustomServing(BaseServing):
    """A container of your own, which answers `/ping` and `/invocations` on port 8080."""

    engine: Literal["custom"]
    """The program that serves the model."""
    image: ImageUri = Field(examples=["123456789012.dkr.ecr.us-east-1.amazonaws.com/my-server:1.0"])
    """URI of the container image."""
    environment: dict[Annotated[str, variable_name("custom")], Annotated[str, VALUE]] = Field(
        default={}, max_length=MAX_VARIABLES
    )
    """Environment variables of the container; never secrets."""


Serving = Annotated[
    LlamaCppServing | VllmServing | LmiServing | TgiServing | TeiServing | CustomServing,
    Field(discriminator="engine"),
]
