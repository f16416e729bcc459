"""Options of the serving engines: flags of their servers, typed where they matter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from toolkit.environment.base import Checked, ConfigModel, Invalid
from toolkit.serving.engines import ENGINES, OptionValue

_SECRET_WORDS = {"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
_SECRET_KEYS = {"API", "ACCESS", "AUTH", "ENCRYPTION", "PRIVATE", "SECRET"}
# A tokeniser's tokens are no secrets.
_PUBLIC_TOKENS = {"BOS", "EOS", "MASK", "PAD", "SEP", "STOP", "UNK"}
_SECRET_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bA(KIA|SIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY")

_HOW_WITHOUT = (
    "remove it: it would stand in Terraform's state and in SageMaker's answers; weights that need a token"
    " are put into the model store, and the container runs without one"
)
_WHO_DECIDES = "remove it; name and source of the model decide"
_MAX_VALUE = 1024  # SageMaker's limit


def option_name(engine: str) -> Checked:
    """Names of options that are handed to an engine without being known here."""

    def check(name: str) -> Invalid | None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            remedy = f"write the flag as {name.strip('-').lower().replace('-', '_')}"
            return Invalid(f"{name!r} is not an option's name", remedy)
        if name in ENGINES[engine].reserved_options:
            return Invalid(f"{name} is set by the toolkit", _WHO_DECIDES)
        return _secret_name(name)

    return Checked(check)


def variable_name(engine: str, options: Iterable[str] = ()) -> Checked:
    """Names of further environment variables of an engine's container.

    Args:
        engine: the engine.
        options: its options that are known here.
    """
    known = ENGINES[engine]
    option_of = {known.variable(option): option for option in options}

    def check(name: str) -> Invalid | None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,1023}", name):
            return Invalid(
                f"{name!r} is not the name of an environment variable", "use letters, digits and underscores"
            )
        if name in known.reserved_variables:
            return Invalid(f"{name} is set by the toolkit", _WHO_DECIDES)
        option = option_of.get(name)
        if option is None and known.prefix and name.startswith(known.prefix):
            option = name.removeprefix(known.prefix).lower()
        if option is not None:
            return Invalid(f"{name} is an option of the engine", f"set it as options.{option}")
        return _secret_name(name)

    return Checked(check, {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"})


def _check_value(value: object) -> Invalid | None:
    if isinstance(value, str):
        if len(value) > _MAX_VALUE:
            return Invalid(f"has {len(value)} characters", f"SageMaker allows {_MAX_VALUE}")
        if _SECRET_VALUE.search(value):
            return Invalid("looks like a secret", _HOW_WITHOUT)
    return None


def _check_option(value: object) -> Invalid | None:
    if not isinstance(value, str | int | float):
        return Invalid("is not a single value", "give a string, a number, true or false")
    return _check_value(value)


def _secret_name(name: str) -> Invalid | None:
    *before, last = name.upper().split("_")
    previous = before[-1] if before else ""
    secret = (
        (last == "TOKEN" and previous not in _PUBLIC_TOKENS)
        or (last == "KEY" and previous in _SECRET_KEYS)
        or not _SECRET_WORDS.isdisjoint([*before, last])
    )
    return Invalid(f"{name} looks like the name of a secret", _HOW_WITHOUT) if secret else None


VALUE = Checked(_check_value, {"maxLength": _MAX_VALUE})
OPTION = Checked(_check_option, {"type": ["string", "number", "boolean"]})


CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]


class Options(ConfigModel):
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


class LmiOptions(Options):
    """Configuration of LMI's model: what its documentation calls `option.…`, and vLLM's engine arguments.

    Those that are not listed here are handed on as they are.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("lmi")], Annotated[Any, OPTION]]

    max_model_len: int | None = Field(default=None, ge=1, examples=[16384])
    """Context length in tokens; by default the model's own."""
    dtype: Literal["auto", "fp16", "float16", "bf16", "bfloat16", "fp32", "float32"] | None = None
    """Data type of weights and activations."""
    quantize: str | None = Field(default=None, examples=["fp8", "awq"])
    """How weights are quantised when they are loaded; by default as the model's own configuration says."""
    tensor_parallel_degree: int | None = Field(default=None, ge=1)
    """How many GPUs one model is spread over; by default all of the instance."""
    max_rolling_batch_size: int | None = Field(default=None, ge=1, examples=[64])
    """How many requests are worked on at the same time."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1, examples=[0.9])
    """Share of the GPU's memory that the engine takes."""


class TgiOptions(Options):
    """Flags of text-generation-launcher, with underscores for hyphens.

    Flags that are not listed here are handed on as they are.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("tgi")], Annotated[Any, OPTION]]

    max_input_tokens: int | None = Field(default=None, ge=1, examples=[8192])
    """How long a prompt may be, in tokens; less than `max_total_tokens`."""
    max_total_tokens: int | None = Field(default=None, ge=2, examples=[16384])
    """Context length in tokens: prompt and answer together; by default the model's own."""
    max_batch_prefill_tokens: int | None = Field(default=None, ge=1)
    """How many tokens of prompts are worked on at the same time."""
    dtype: Literal["float16", "bfloat16"] | None = None
    """Data type of weights and activations."""
    quantize: str | None = Field(default=None, examples=["fp8", "awq"])
    """How the weights are quantised; by default as the model's own configuration says."""
    num_shard: int | None = Field(default=None, ge=1)
    """How many GPUs one model is spread over; by default all of the instance."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        prompt, total = self.max_input_tokens, self.max_total_tokens
        if prompt is not None and total is not None and prompt >= total:
            reason = f"max_input_tokens {prompt} leaves nothing of max_total_tokens {total} for an answer"
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


class TeiOptions(Options):
    """Flags of text-embeddings-router, with underscores for hyphens.

    Flags that are not listed here are handed on as they are.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("tei")], Annotated[Any, OPTION]]

    max_batch_tokens: int | None = Field(default=None, ge=1)
    """How many tokens are worked on at the same time."""
    max_client_batch_size: int | None = Field(default=None, ge=1)
    """How many texts one request may have."""
    auto_truncate: bool | None = None
    """Whether texts that are too long are cut, instead of refused."""
    dtype: Literal["float16", "float32"] | None = None
    """Data type of weights and activations."""
    pooling: Literal["cls", "mean", "splade", "last-token"] | None = None
    """How a text's embedding is made of its tokens'; by default as the model's own configuration says."""
