"""llama-server's options from the environment of AWS's llama.cpp image, set on xllamacpp's parameters.

The image turns `SM_LLAMA_CPP_FOO_BAR=value` into `--foo-bar value`; `true` sets a flag without a value, and
`false` sets nothing. xllamacpp has no command line, so this module maps the options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PREFIX = "SM_LLAMA_CPP_"
# Variables of the image's entry point.
_CONTROL = ("SM_LLAMA_CPP_MODEL", "SM_LLAMA_CPP_MODEL_DIR", "SM_LLAMA_CPP_HOST", "SM_LLAMA_CPP_PORT")

# Sets an option's value (None for a flag) on the parameters.
Setter = Callable[[Any, "str | None"], None]


class OptionError(ValueError):
    """An option is unknown, or its value is invalid."""


def from_environment(environment: Mapping[str, str]) -> dict[str, str | None]:
    """The options in the container's environment, sorted by name like the image's."""
    options: dict[str, str | None] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in _CONTROL:
            continue
        value = environment[name]
        if value.lower() != "false":
            option = name.removeprefix(PREFIX).lower().replace("_", "-")
            options[option] = None if value.lower() == "true" else value
    return options


def apply(params: Any, options: Mapping[str, str | None]) -> None:
    """Set options on `xllamacpp.CommonParams`.

    Raises:
        OptionError: an option is unknown, or its value is invalid.
    """
    for option, value in options.items():
        setter = OPTIONS.get(option)
        if setter is None:
            raise OptionError(f"--{option}: no such option, or not supported by the embedded cloud")
        try:
            setter(params, value)
        except (ValueError, TypeError) as error:
            argument = f"--{option}" if value is None else f"--{option} {value}"
            raise OptionError(f"{argument}: {error}") from error


def _attribute(path: str, convert: Callable[[str], Any]) -> Setter:
    *parents, name = path.split(".")

    def set_value(params: Any, value: str | None) -> None:
        if value is None:
            raise ValueError("missing value")
        target = params
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, name, convert(value))

    return set_value


def _flag(path: str, meaning: bool) -> Setter:
    inner = _attribute(path, lambda _: meaning)

    def set_flag(params: Any, value: str | None) -> None:
        if value is not None:
            raise ValueError("takes no value other than `true` or `false`")
        inner(params, "")

    return set_flag


def _enumeration(path: str, enum: str, prefix: str) -> Setter:
    """The setter of a member of an xllamacpp enumeration, by its lower-case name without the prefix."""

    def convert(value: str) -> Any:
        import xllamacpp

        members = {
            name.removeprefix(prefix).lower(): member
            for name, member in getattr(xllamacpp, enum).__members__.items()
        }
        if value.lower() not in members:
            raise ValueError(f"must be one of {', '.join(sorted(members))}")
        return members[value.lower()]

    return _attribute(path, convert)


def _flash_attention(params: Any, value: str | None) -> None:
    names = {"on": "enabled", "off": "disabled", "auto": "auto"}
    inner = _enumeration("flash_attn_type", "llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_")
    inner(params, names.get(value or "on", value))


def _gpu_layers(value: str) -> int:
    return {"auto": -1, "all": -2}.get(value) or int(value)


def _embeddings(params: Any, value: str | None) -> None:
    _flag("embedding", True)(params, value)


def _reranking(params: Any, value: str | None) -> None:
    _embeddings(params, value)
    _enumeration("pooling_type", "llama_pooling_type", "LLAMA_POOLING_TYPE_")(params, "rank")


def _split(value: str) -> set[str]:
    return set(value.split(","))


def _ignored(_: Any, __: str | None) -> None:
    """For options without effect here: the web UI and downloads."""


OPTIONS: dict[str, Setter] = {
    "alias": _attribute("model_alias", _split),
    "batch-size": _attribute("n_batch", int),
    "cache-ram": _attribute("cache_ram_mib", int),
    "cache-reuse": _attribute("n_cache_reuse", int),
    "cache-type-k": _enumeration("cache_type_k", "ggml_type", "GGML_TYPE_"),
    "cache-type-v": _enumeration("cache_type_v", "ggml_type", "GGML_TYPE_"),
    "chat-template": _attribute("chat_template", str),
    "cont-batching": _flag("cont_batching", True),
    "context-shift": _flag("ctx_shift", True),
    "ctx-size": _attribute("n_ctx", int),
    "embedding": _embeddings,
    "embeddings": _embeddings,
    "flash-attn": _flash_attention,
    "frequency-penalty": _attribute("sampling.penalty_freq", float),
    "gpu-layers": _attribute("n_gpu_layers", _gpu_layers),
    "jinja": _flag("use_jinja", True),
    "keep": _attribute("n_keep", int),
    "kv-unified": _flag("kv_unified", True),
    "log-verbosity": _attribute("verbosity", int),
    "metrics": _flag("endpoint_metrics", True),
    "min-p": _attribute("sampling.min_p", float),
    "n-gpu-layers": _attribute("n_gpu_layers", _gpu_layers),
    "n-predict": _attribute("n_predict", int),
    "no-cont-batching": _flag("cont_batching", False),
    "no-context-shift": _flag("ctx_shift", False),
    "no-jinja": _flag("use_jinja", False),
    "no-kv-offload": _flag("no_kv_offload", True),
    "no-kv-unified": _flag("kv_unified", False),
    "no-slots": _flag("endpoint_slots", False),
    "no-ui": _ignored,
    "no-warmup": _flag("warmup", False),
    "no-webui": _ignored,
    "offline": _ignored,
    "parallel": _attribute("n_parallel", int),
    "pooling": _enumeration("pooling_type", "llama_pooling_type", "LLAMA_POOLING_TYPE_"),
    "predict": _attribute("n_predict", int),
    "presence-penalty": _attribute("sampling.penalty_present", float),
    "props": _flag("endpoint_props", True),
    "reasoning-format": _enumeration(
        "reasoning_format", "common_reasoning_format", "COMMON_REASONING_FORMAT_"
    ),
    "repeat-last-n": _attribute("sampling.penalty_last_n", int),
    "repeat-penalty": _attribute("sampling.penalty_repeat", float),
    "rerank": _reranking,
    "reranking": _reranking,
    "rope-freq-base": _attribute("rope_freq_base", float),
    "rope-freq-scale": _attribute("rope_freq_scale", float),
    "rope-scaling": _enumeration("rope_scaling_type", "llama_rope_scaling_type", "LLAMA_ROPE_SCALING_TYPE_"),
    "seed": _attribute("sampling.seed", int),
    "slot-prompt-similarity": _attribute("slot_prompt_similarity", float),
    "slots": _flag("endpoint_slots", True),
    "sse-ping-interval": _attribute("sse_ping_interval", int),
    "swa-full": _flag("swa_full", True),
    "temp": _attribute("sampling.temp", float),
    "temperature": _attribute("sampling.temp", float),
    "threads": _attribute("cpuparams.n_threads", int),
    "threads-batch": _attribute("cpuparams_batch.n_threads", int),
    "threads-http": _attribute("n_threads_http", int),
    "timeout": _attribute("timeout_read", int),
    "top-k": _attribute("sampling.top_k", int),
    "top-p": _attribute("sampling.top_p", float),
    "ubatch-size": _attribute("n_ubatch", int),
    "ui": _ignored,
    "verbosity": _attribute("verbosity", int),
    "warmup": _flag("warmup", True),
    "webui": _ignored,
    "yarn-attn-factor": _attribute("yarn_attn_factor", float),
    "yarn-beta-fast": _attribute("yarn_beta_fast", float),
    "yarn-beta-slow": _attribute("yarn_beta_slow", float),
    "yarn-ext-factor": _attribute("yarn_ext_factor", float),
    "yarn-orig-ctx": _attribute("yarn_orig_ctx", int),
}
