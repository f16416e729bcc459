"""Options of the serving engines, typed where they matter, and environment variables of containers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.serving.engines import ENGINES, OptionValue

_SECRET_WORDS = {"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
_SECRET_KEYS = {"API", "ACCESS", "AUTH", "ENCRYPTION", "PRIVATE", "SECRET"}
# Tokens of a tokenizer are not secrets.
_PUBLIC_TOKENS = {"BOS", "EOS", "MASK", "PAD", "SEP", "STOP", "UNK"}
_SECRET_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bA(KIA|SIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY")

_NO_SECRETS = (
    "remove it: Terraform would store it in the state, and SageMaker would show it to readers; to use "
    "weights that need a token, stage them"
)
_TOOLKIT_SETS = "remove it; the toolkit derives it from the name and the source of the model"
_MAX_VALUE = 1024  # SageMaker's limit


def option_name(engine: str) -> Checked:
    """Check the name of an option that is passed to the engine without a type here."""

    def check(name: str) -> Invalid | None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            remedy = f"use {name.strip('-').lower().replace('-', '_')}"
            return Invalid(f"{name!r} is not a valid option name", remedy)
        if name in ENGINES[engine].reserved_options:
            return Invalid(f"{name} is set by the toolkit", _TOOLKIT_SETS)
        return _secret_name(name)

    return Checked(check)


def variable_name(engine: str, options: Iterable[str] = ()) -> Checked:
    """Check the name of an additional environment variable of a container.

    Args:
        engine: the engine.
        options: its typed options.
    """
    spec = ENGINES[engine]
    option_of = {spec.variable(option): option for option in options}

    def check(name: str) -> Invalid | None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,1023}", name):
            return Invalid(
                f"{name!r} is not a valid name of an environment variable",
                "use letters, digits and underscores",
            )
        if name in spec.reserved_variables:
            return Invalid(f"{name} is set by the toolkit", _TOOLKIT_SETS)
        option = option_of.get(name)
        if option is None and spec.prefix and name.startswith(spec.prefix):
            option = name.removeprefix(spec.prefix).lower()
        if option is not None:
            return Invalid(f"{name} is an option of the engine", f"set options.{option} instead")
        return _secret_name(name)

    return Checked(check, {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"})


def _check_value(value: object) -> Invalid | None:
    if isinstance(value, str):
        if len(value) > _MAX_VALUE:
            return Invalid(f"has {len(value)} characters", f"use at most {_MAX_VALUE}, SageMaker's limit")
        if _SECRET_VALUE.search(value):
            return Invalid("looks like a secret", _NO_SECRETS)
    return None


def _check_option(value: object) -> Invalid | None:
    if not isinstance(value, str | int | float):
        return Invalid("is not a scalar", "use a string, a number, true or false")
    return _check_value(value)


def _secret_name(name: str) -> Invalid | None:
    *before, last = name.upper().split("_")
    previous = before[-1] if before else ""
    secret = (
        (last == "TOKEN" and previous not in _PUBLIC_TOKENS)
        or (last == "KEY" and previous in _SECRET_KEYS)
        or not _SECRET_WORDS.isdisjoint([*before, last])
    )
    return Invalid(f"{name} looks like the name of a secret", _NO_SECRETS) if secret else None


VALUE = Checked(_check_value, {"maxLength": _MAX_VALUE})
OPTION = Checked(_check_option, {"type": ["string", "number", "boolean"]})


_GGUF_FILE = matching(
    r"(?!/)[^\x00-\x1f\\]{1,255}\.gguf",
    "use the name of a *.gguf file among the weights, without /opt/ml/model/",
)
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]


class Options(ConfigModel):
    """Flags of an engine's server, by name with underscores for hyphens."""

    model_config = ConfigDict(extra="allow")

    def explicit(self) -> dict[str, OptionValue]:
        """The options that the file sets."""
        return self.model_dump(exclude_none=True)


class LlamaCppOptions(Options):
    """Flags of llama-server, with underscores for hyphens.

    Other flags are passed through: `true` passes a flag without a value, `false` omits it.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("llama_cpp")], Annotated[Any, OPTION]]

    model: Annotated[str, _GGUF_FILE] | None = Field(default=None, examples=["Qwen3-8B-Q4_K_M.gguf"])
    """GGUF file to serve, among the weights. Required if there are several, such as the parts of one model
    (name the first) or a projector (`mmproj`)."""
    ctx_size: int | None = Field(default=None, ge=0, examples=[4096])
    """Context length in tokens, shared by all slots; 0 is the context length of the training."""
    parallel: int | None = Field(default=None, ge=1, examples=[2])
    """Slots: number of concurrent requests."""
    batch_size: int | None = Field(default=None, ge=1, examples=[4096])
    """Largest batch in tokens, 2048 by default."""
    ubatch_size: int | None = Field(default=None, ge=1, examples=[4096])
    """Largest physical batch in tokens, 512 by default, at most `batch_size`; embedding inputs must fit."""
    cache_type_k: CacheType | None = None
    """Data type of the keys in the KV cache."""
    cache_type_v: CacheType | None = None
    """Data type of the values in the KV cache."""


class VllmOptions(Options):
    """Flags of vLLM's server, with underscores for hyphens.

    Other flags are passed through: `true` passes a flag without a value, `false` omits it.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("vllm")], Annotated[Any, OPTION]]

    max_model_len: int | None = Field(default=None, ge=1, examples=[16384])
    """Context length in tokens; by default that of the model."""
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Data type of weights and activations."""
    quantization: str | None = Field(default=None, examples=["fp8", "awq"])
    """Quantization of the weights; by default from the configuration of the model."""
    tensor_parallel_size: int | None = Field(default=None, ge=1)
    """Number of GPUs for tensor parallelism; by default all of the instance."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1, examples=[0.9])
    """Share of the GPU memory that vLLM uses."""


class LmiOptions(Options):
    """Options of LMI, `option.…` in its documentation, and engine arguments of vLLM.

    Other options are passed through.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("lmi")], Annotated[Any, OPTION]]

    max_model_len: int | None = Field(default=None, ge=1, examples=[16384])
    """Context length in tokens; by default that of the model."""
    dtype: Literal["auto", "fp16", "float16", "bf16", "bfloat16", "fp32", "float32"] | None = None
    """Data type of weights and activations."""
    quantize: str | None = Field(default=None, examples=["fp8", "awq"])
    """Quantization of the weights at load time; by default from the configuration of the model."""
    tensor_parallel_degree: int | None = Field(default=None, ge=1)
    """Number of GPUs for tensor parallelism; by default all of the instance."""
    max_rolling_batch_size: int | None = Field(default=None, ge=1, examples=[64])
    """Number of concurrent requests."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1, examples=[0.9])
    """Share of the GPU memory that the engine uses."""


class TgiOptions(Options):
    """Flags of text-generation-launcher, with underscores for hyphens.

    Other flags are passed through.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("tgi")], Annotated[Any, OPTION]]

    max_input_tokens: int | None = Field(default=None, ge=1, examples=[8192])
    """Maximum length of a prompt in tokens; less than `max_total_tokens`."""
    max_total_tokens: int | None = Field(default=None, ge=2, examples=[16384])
    """Context length in tokens, prompt and completion together; by default that of the model."""
    max_batch_prefill_tokens: int | None = Field(default=None, ge=1)
    """Number of prompt tokens in one prefill batch."""
    dtype: Literal["float16", "bfloat16"] | None = None
    """Data type of weights and activations."""
    quantize: str | None = Field(default=None, examples=["fp8", "awq"])
    """Quantization of the weights; by default from the configuration of the model."""
    num_shard: int | None = Field(default=None, ge=1)
    """Number of GPUs for tensor parallelism; by default all of the instance."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        prompt, total = self.max_input_tokens, self.max_total_tokens
        if prompt is not None and total is not None and prompt >= total:
            reason = f"max_input_tokens {prompt} leaves no completion tokens of max_total_tokens {total}"
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


class TeiOptions(Options):
    """Flags of text-embeddings-router, with underscores for hyphens.

    Other flags are passed through.
    """

    __pydantic_extra__: dict[Annotated[str, option_name("tei")], Annotated[Any, OPTION]]

    max_batch_tokens: int | None = Field(default=None, ge=1)
    """Number of tokens in one batch."""
    max_client_batch_size: int | None = Field(default=None, ge=1)
    """Maximum number of texts in a request."""
    auto_truncate: bool | None = None
    """Whether to truncate texts that are too long, instead of rejecting them."""
    dtype: Literal["float16", "float32"] | None = None
    """Data type of weights and activations."""
    pooling: Literal["cls", "mean", "splade", "last-token"] | None = None
    """Pooling of token embeddings; by default from the configuration of the model."""
