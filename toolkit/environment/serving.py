"""How a model is served: the engine, its container image, its options."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from toolkit.environment.container import OPTION, VALUE, option_name, variable_name
from toolkit.environment.section import Checked, Mistake, Section, matching
from toolkit.serving import catalogue
from toolkit.serving.engines import OptionValue

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]


def _check_ami_version(value: str) -> Mistake | None:
    known = catalogue.inference_ami_versions()
    if value in known:
        return None
    return Mistake(f"there is no machine image {value!r}", f"SageMaker has {', '.join(known)}")


AmiVersion = Annotated[str, Checked(_check_ami_version, {"enum": [*catalogue.inference_ami_versions()]})]


class Options(Section):
    """Flags of an engine's server, by their names with underscores for hyphens."""

    model_config = ConfigDict(extra="allow")

    def given(self) -> dict[str, OptionValue]:
        """The options that the file sets."""
        return self.model_dump(exclude_none=True)


class LlamaCppOptions(Options):
    """Flags of llama-server, with underscores for hyphens.

    Flags that are not listed here are handed on as they are: `true` gives a flag without a value, `false`
    leaves it out.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("llama_cpp")], Annotated[Any, OPTION]]

    ctx_size: int | None = Field(default=None, ge=0, examples=[4096])
    """Context length in tokens, shared by all slots; 0 is what the model was trained with."""
    parallel: int | None = Field(default=None, ge=1, examples=[2])
    """Slots: how many requests are worked on at the same time."""
    cache_type_k: CacheType | None = None
    """Data type of the keys in the context's cache."""
    cache_type_v: CacheType | None = None
    """Data type of the values in the context's cache."""


class VllmOptions(Options):
    """Flags of vLLM's server, with underscores for hyphens.

    Flags that are not listed here are handed on as they are: `true` gives a flag without a value, `false`
    leaves it out.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("vllm")], Annotated[Any, OPTION]]

    max_model_len: int | None = Field(default=None, ge=1, examples=[16384])
    """Context length in tokens; by default the model's own."""
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Data type of weights and activations."""
    quantization: str | None = Field(default=None, examples=["fp8", "awq"])
    """How the weights are quantised; by default as the model's own configuration says."""
    tensor_parallel_size: int | None = Field(default=None, ge=1)
    """How many GPUs one model is spread over; by default all of the instance."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1, examples=[0.9])
    """Share of the GPU's memory that vLLM takes."""


class BaseServing(Section):
    """What all engines have in common."""

    engine: str
    """The program that serves the model."""
    version: Annotated[str, matching(r"\d+(\.\d+)*", 'write a version in quotes, as in "2.6"')] | None = (
        Field(default=None, examples=["2.6"])
    )
    """Version of AWS's container image for the engine, in quotes; by default the newest one in the region."""
    image: Annotated[str, matching(r"\S{1,255}", "write registry/repository:tag")] | None = None
    """URI of a container image of your own with the same contract, instead of AWS's."""
    inference_ami_version: AmiVersion | None = None
    """Machine image of the instances; by default the one that the container's CUDA release needs."""

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        if self.version is not None and self.image is not None:
            raise Mistake(
                "both version and image are given",
                "remove one: an image of your own has its version in its tag",
            ).error()
        return self


class LlamaCppServing(BaseServing):
    """llama.cpp: GGUF files on CPUs or a GPU."""

    engine: Literal["llama_cpp"]
    """The program that serves the model."""
    options: LlamaCppOptions = LlamaCppOptions()
    """Flags of the engine's server."""
    environment: dict[Annotated[str, variable_name("llama_cpp")], Annotated[str, VALUE]] = Field(default={})
    """Further environment variables of the container; never secrets."""


class VllmServing(BaseServing):
    """vLLM: Hugging Face models on GPUs."""

    engine: Literal["vllm"]
    """The program that serves the model."""
    options: VllmOptions = VllmOptions()
    """Flags of the engine's server."""
    environment: dict[Annotated[str, variable_name("vllm")], Annotated[str, VALUE]] = Field(default={})
    """Further environment variables of the container; never secrets."""


Serving = Annotated[LlamaCppServing | VllmServing, Field(discriminator="engine")]
