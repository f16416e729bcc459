from __future__ import annotations

import pytest
import xllamacpp

from toolkit.local.serving import llama_options
from toolkit.local.serving.llama_options import OptionError, apply, from_environment


def test_variables_become_options_as_in_the_image() -> None:
    environment = {
        "SM_LLAMA_CPP_CTX_SIZE": "4096",
        "SM_LLAMA_CPP_JINJA": "true",
        "SM_LLAMA_CPP_NO_WARMUP": "false",
        "SM_LLAMA_CPP_MODEL": "m.gguf",
        "PATH": "/bin",
    }
    assert from_environment(environment) == {"ctx-size": "4096", "jinja": None}


def test_options_reach_the_parameters() -> None:
    params = xllamacpp.CommonParams()
    options = {
        "ctx-size": "2048",
        "alias": "small,smaller",
        "temp": "0.2",
        "threads": "3",
        "cache-type-k": "q8_0",
        "flash-attn": "on",
        "pooling": "mean",
        "embeddings": None,
        "no-context-shift": None,
        "n-gpu-layers": "all",
    }
    apply(params, options)
    assert params.n_ctx == 2048
    assert params.model_alias == {"small", "smaller"}
    assert params.sampling.temp == pytest.approx(0.2)
    assert params.cpuparams.n_threads == 3
    assert params.cache_type_k == xllamacpp.ggml_type.GGML_TYPE_Q8_0
    assert params.flash_attn_type == xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    assert params.pooling_type == xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    assert params.embedding
    assert not params.ctx_shift
    assert params.n_gpu_layers == -2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context-size": "1"}, "--context-size: no such option"),
        ({"ctx-size": "many"}, "--ctx-size many: invalid literal"),
        ({"ctx-size": None}, "--ctx-size: missing value"),
        ({"jinja": "yes"}, "--jinja yes: takes no value"),
        ({"cache-type-k": "q99"}, "--cache-type-k q99: must be one of bf16, "),
    ],
)
def test_invalid_options_are_named(options: dict[str, str | None], message: str) -> None:
    with pytest.raises(OptionError) as error:
        apply(xllamacpp.CommonParams(), options)
    assert str(error.value).startswith(message)


# A value for every option that takes one and is not a number.
VALUES = {
    "alias": "a",
    "cache-type-k": "f16",
    "cache-type-v": "f16",
    "chat-template": "chatml",
    "flash-attn": "auto",
    "pooling": "cls",
    "reasoning-format": "none",
    "rope-scaling": "yarn",
}


@pytest.mark.parametrize("option", sorted(llama_options.OPTIONS))
def test_every_option_exists_in_xllamacpp(option: str) -> None:
    params = xllamacpp.CommonParams()
    try:
        apply(params, {option: None})
    except OptionError as error:
        assert "missing value" in str(error)
        apply(params, {option: VALUES.get(option, "1")})
