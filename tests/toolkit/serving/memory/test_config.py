"""Configurations of models: what they say about memory, and what is refused or unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.documents import DamagedError
from toolkit.serving.memory import Architecture, UnknownArchitectureError, config
from toolkit.serving.memory.architecture import Layers

MODELS = Path(__file__).parent / "models"
LLAMA = json.loads((MODELS / "llama-3.1-8b.json").read_bytes())
GRANITE = {
    "model_type": "granitemoehybrid",
    "torch_dtype": "bfloat16",
    "hidden_size": 2048,
    "num_hidden_layers": 4,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "layer_types": ["mamba", "mamba", "attention", "mamba"],
    "mamba_n_heads": 64,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "shared_intermediate_size": 8192,
    "vocab_size": 100352,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
    "time_step_limit": [0.0, float("inf")],
}


def read(members: dict[str, Any]) -> Architecture:
    return config.read(json.dumps(members).encode())


def published(name: str) -> Architecture:
    return config.read((MODELS / f"{name}.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        # The models' own pages.
        ("llama-3.1-8b", 8.03),
        ("qwen3-0.6b", 0.596),
        ("qwen3-8b", 8.19),
        ("qwen3-30b-a3b", 30.5),
        ("qwen3-235b-a22b-fp8", 235),
        ("gpt-oss-20b", 20.9),
        ("gpt-oss-120b", 117),
        ("gemma-3-27b", 27.4),
        ("mistral-small-3.2-24b", 24.0),
        ("llama-4-scout", 109),
        ("deepseek-r1", 671),
    ],
)
def test_parameters_are_those_that_the_publisher_states(name: str, billions: float) -> None:
    parameters = published(name).parameters
    assert parameters is not None
    assert parameters.total / 1e9 == pytest.approx(billions, rel=0.03)


def test_all_experts_are_loaded_and_some_active() -> None:
    model = published("qwen3-30b-a3b")
    assert model.parameters is not None
    assert model.parameters.experts == 48 * 128 * 3 * 2048 * 768
    assert model.mlp == 3 * 8 * 768


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("llama-3.1-8b", {("full", 32, 8)}),
        ("gpt-oss-20b", {("sliding", 12, 8), ("full", 12, 8)}),
        # Every sixth of 62 layers.
        ("gemma-3-27b", {("sliding", 52, 16), ("full", 10, 16)}),
        ("deepseek-r1", {("latent", 61, 1)}),
        ("llama-4-scout", {("full", 48, 8)}),
    ],
)
def test_layers_have_the_cache_that_vllm_gives_them(name: str, layers: set[tuple[str, int, int]]) -> None:
    assert {(group.cache, group.count, group.heads) for group in published(name).layers} == layers


def test_chunked_attention_caches_all_tokens() -> None:
    """As the published row of Llama 4, whose newer configurations name the layers."""
    types = ["chunked_attention", "full_attention"] * 16
    layers = read({**LLAMA, "layer_types": types, "attention_chunk_size": 8192}).layers
    assert layers == (Layers(32, "full", 8, 128, 128),)


def test_mamba_layers_have_a_state_of_fixed_size() -> None:
    mamba, attention = read(GRANITE).layers
    channels = 64 * 64 + 2 * 128
    assert mamba == Layers(3, "state", state=channels * 3 + 64 * 64 * 128)
    assert (attention.cache, attention.count, attention.heads, attention.key) == ("full", 1, 8, 64)


def test_linear_attention_has_a_state_of_fixed_size() -> None:
    model = read(
        {
            "model_type": "qwen3_next",
            "torch_dtype": "bfloat16",
            "hidden_size": 2048,
            "num_hidden_layers": 48,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "head_dim": 256,
            "full_attention_interval": 4,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "linear_conv_kernel_dim": 4,
            "num_experts": 512,
            "num_experts_per_tok": 10,
            "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512,
            "intermediate_size": 5120,
            "vocab_size": 151936,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": False,
        }
    )
    assert {(group.cache, group.count) for group in model.layers} == {("state", 36), ("full", 12)}
    # 80B by name.
    assert model.parameters is not None
    assert model.parameters.total / 1e9 == pytest.approx(80, rel=0.03)


def test_nemotron_names_its_layers_by_letters() -> None:
    model = read(
        {
            **GRANITE,
            "model_type": "nemotron_h",
            "layer_types": None,
            "hybrid_override_pattern": "M-M*",
            "mamba_num_heads": 64,
            "mamba_head_dim": 64,
            "ssm_state_size": 128,
            "intermediate_size": 8192,
        }
    )
    assert {(group.cache, group.count) for group in model.layers} == {("state", 2), ("full", 1)}


@pytest.mark.parametrize(
    ("quantization", "size"),
    [
        # 4 bits, a scale of 16 bits and a zero of 4 bits for 128 weights.
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0.5 + 2.5 / 128),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 1.0),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 1.0),
        ({"quant_method": "mxfp4"}, 4.25 / 8),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4.5 / 8),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 0.53),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"a": {"weights": {"num_bits": 4, "type": "int", "group_size": 128}}},
            },
            0.5 + 2 / 128,
        ),
    ],
)
def test_quantized_weights_have_scales(quantization: dict[str, Any], size: float) -> None:
    parsed = read({**LLAMA, "quantization_config": quantization}).quantization
    assert parsed is not None
    assert parsed.bytes == pytest.approx(size)


@pytest.mark.parametrize(
    ("members", "context"),
    [
        ({}, 131072),
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, 262144),
        (
            {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
            131072,
        ),
        ({"rope_scaling": None}, 131072),
    ],
)
def test_the_longest_context_includes_scaled_positions(members: dict[str, Any], context: int) -> None:
    assert read({**LLAMA, **members}).context == context


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"model_type": "rwkv7"}, "models of type rwkv7"),
        ({"model_type": None}, "models of type unnamed"),
        ({"num_attention_heads": None}, "num_attention_heads is missing"),
        ({"quantization_config": {"quant_method": "quip"}}, "quantization quip"),
        ({"layer_types": ["full_attention"] * 31 + ["spiral_attention"]}, "spiral_attention"),
        ({"layer_types": ["full_attention"]}, "number of layer_types"),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True}, "sliding window"),
        ({"index_topk": 2048}, "indexed layers"),
        ({"model_type": "granitemoehybrid"}, "types of the layers"),
    ],
)
def test_what_the_file_does_not_say_is_unknown(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownArchitectureError, match=reason):
        read({**LLAMA, **members})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "object"),
        (b'{"hidden_size": "4096"}', "hidden_size"),
        (b'{"hidden_size": -1}', "hidden_size"),
        (b'{"num_hidden_layers": 1000000}', "num_hidden_layers"),
        (b'{"vocab_size": 1e999}', "too large"),
        (b'{"a": ' * 2000, "nested too deep|not JSON"),
        (b" " * (config.MAX_BYTES + 1), "larger than 4096 KiB"),
        (b"\xff", "UTF-8"),
    ],
    ids=range(9),
)
def test_damaged_files_are_refused_with_their_place(content: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        config.read(content)
