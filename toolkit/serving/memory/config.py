"""Reads `config.json` of a Hugging Face model.

The file is untrusted input: its size and its numbers are bounded, and a model whose cache it does not
describe in a known way is unknown, not estimated. Meaning of the members: transformers' `configuration_*.py`;
what vLLM makes of them: vllm `config/model.py`, `model_executor/models/` and
`model_executor/layers/mamba/mamba_utils.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from toolkit import documents
from toolkit.serving.memory.architecture import (
    DTYPE_BYTES,
    Architecture,
    Layers,
    Parameters,
    Quantization,
    UnknownArchitectureError,
)

# The largest published ones have 100 KB, with a quantization per module.
MAX_BYTES = 4 * 2**20

_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
_Depth = Annotated[int, Field(ge=0, le=10_000)]

# Decoders whose layers are attention and feed-forward layers as their members say, with the layout of Llama.
_DECODERS = {
    "arcee", "aya_vision", "cohere", "cohere2", "deepseek_v2", "deepseek_v3", "ernie4_5", "exaone4",
    "gemma", "gemma2", "gemma3", "gemma3_text", "glm", "glm4", "glm4_moe", "glm4v", "glm4v_moe",
    "gpt_oss", "granite", "granitemoe", "granitemoehybrid", "hunyuan_v1_dense", "internlm2", "internlm3",
    "internvl", "internvl_chat", "kimi_k2", "llama", "llama4", "llama4_text", "llava", "llava_next",
    "minimax_m2", "mistral", "mistral3", "mixtral", "nemotron_h", "olmo", "olmo2", "olmo3", "olmoe",
    "phi3", "phimoe", "pixtral", "qwen2", "qwen2_5_vl", "qwen2_5_vl_text", "qwen2_moe", "qwen2_vl",
    "qwen2_vl_text", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_vl", "qwen3_vl_moe", "qwen3_vl_moe_text",
    "qwen3_vl_text", "seed_oss", "smollm3", "solar",
}  # fmt: skip
# Their output layer is the embedding unless `tie_word_embeddings` says otherwise.
_TIED = ("gemma", "cohere", "aya")
# `sliding_window_pattern`: every n-th layer has full attention.
_PATTERNS = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "gpt_oss": 2, "cohere2": 4}
# Every layer slides if `sliding_window` is set.
_ALL_SLIDING = {"mistral", "mixtral"}


@dataclass(frozen=True)
class _RopeScaling:
    factor: float | None = None
    rope_type: str | None = None
    type: str | None = None
    original_max_position_embeddings: _Count | None = None


@dataclass(frozen=True)
class _Vision:
    hidden_size: _Count | None = None
    embed_dim: _Count | None = None
    intermediate_size: _Count | None = None
    num_hidden_layers: _Depth | None = None
    depth: _Depth | None = None
    mlp_ratio: float | None = None


@dataclass(frozen=True)
class _Quantization:
    quant_method: str | None = None
    bits: Annotated[int, Field(ge=1, le=32)] | None = None
    w_bit: Annotated[int, Field(ge=1, le=32)] | None = None
    group_size: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    load_in_4bit: bool | None = None
    quant_algo: str | None = None
    kv_cache_quant_algo: str | None = None
    config_groups: dict[str, Any] | None = None
    kv_cache_scheme: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Text:
    """The language model of a configuration."""

    model_type: str | None = None
    torch_dtype: str | None = None
    dtype: str | None = None
    hidden_size: _Count | None = None
    num_hidden_layers: _Depth | None = None
    num_attention_heads: _Count | None = None
    num_key_value_heads: _Count | None = None
    head_dim: _Count | None = None
    intermediate_size: _Count | None = None
    vocab_size: _Count | None = None
    max_position_embeddings: _Count | None = None
    tie_word_embeddings: bool | None = None
    rope_scaling: _RopeScaling | None = None
    rope_parameters: _RopeScaling | None = None
    sliding_window: _Count | None = None
    use_sliding_window: bool | None = None
    sliding_window_pattern: int | str | None = None
    layer_types: list[str] | None = None
    num_kv_shared_layers: _Depth | None = None
    # experts
    num_local_experts: _Count | None = None
    num_experts: _Count | None = None
    n_routed_experts: _Count | None = None
    num_experts_per_tok: _Count | None = None
    moe_intermediate_size: _Count | None = None
    n_shared_experts: _Count | None = None
    shared_expert_intermediate_size: _Count | None = None
    shared_intermediate_size: _Count | None = None
    first_k_dense_replace: _Depth | None = None
    decoder_sparse_step: _Depth | None = None
    interleave_moe_layer_step: _Depth | None = None
    intermediate_size_mlp: _Count | None = None
    # multi-head latent attention
    kv_lora_rank: _Count | None = None
    q_lora_rank: _Count | None = None
    qk_rope_head_dim: _Count | None = None
    qk_nope_head_dim: _Count | None = None
    v_head_dim: _Count | None = None
    index_topk: _Count | None = None
    # Mamba and linear attention
    mamba_d_state: _Count | None = None
    mamba_d_conv: _Count | None = None
    mamba_n_heads: _Count | None = None
    mamba_d_head: _Count | None = None
    mamba_n_groups: _Count | None = None
    hybrid_override_pattern: str | None = None
    ssm_state_size: _Count | None = None
    mamba_num_heads: _Count | None = None
    mamba_head_dim: _Count | None = None
    n_groups: _Count | None = None
    conv_kernel: _Count | None = None
    full_attention_interval: _Depth | None = None
    linear_num_key_heads: _Count | None = None
    linear_num_value_heads: _Count | None = None
    linear_key_head_dim: _Count | None = None
    linear_value_head_dim: _Count | None = None
    linear_conv_kernel_dim: _Count | None = None


@dataclass(frozen=True)
class Config(_Text):
    """A configuration, as far as it is used."""

    text_config: _Text | None = None
    llm_config: _Text | None = None
    language_config: _Text | None = None
    vision_config: _Vision | None = None
    quantization_config: _Quantization | None = None
    architectures: list[str] = field(default_factory=list)

    @property
    def text(self) -> _Text:
        """The language model."""
        return self.text_config or self.llm_config or self.language_config or self


def read(content: bytes) -> Architecture:
    """The model that a `config.json` describes.

    Raises:
        DamagedError: it is not such a file.
        UnknownArchitectureError: the memory of this model cannot be computed.
    """
    documents.decode(content, MAX_BYTES)
    # Python writes infinite numbers, such as the `time_step_limit` of Mamba.
    return architecture(documents.parse(content, Config, non_finite=True))


def architecture(config: Config) -> Architecture:
    """The model that a configuration describes.

    Raises:
        UnknownArchitectureError: the memory of this model cannot be computed.
    """
    text = config.text
    name = text.model_type or config.model_type or "unnamed"
    if name not in _DECODERS:
        raise UnknownArchitectureError(f"the memory of models of type {name} is not known")
    if text.index_topk or text.num_kv_shared_layers:
        raise UnknownArchitectureError(f"the cache of {name} with shared or indexed layers is not known")
    kinds = _kinds(name, text)
    heads = _needed(name, text.num_attention_heads, "num_attention_heads")
    moe = _experts_per_layer(text)
    intermediate = text.moe_intermediate_size or text.intermediate_size or 0
    quantization = None if config.quantization_config is None else _quantization(config.quantization_config)
    parameters = _parameters(name, config, kinds)
    dense = text.intermediate_size_mlp or text.intermediate_size or 0
    active = (text.num_experts_per_tok or 1) * intermediate if moe else dense
    padded = 0
    if quantization is not None and quantization.method == "mxfp4" and intermediate:
        padded = parameters.experts * _round_up(intermediate, 256) // intermediate
    return Architecture(
        name=name,
        context=_context(name, text),
        layers=tuple(
            _layers(name, text, kind, count) for kind, count in Counter(kinds).items() if kind != "none"
        ),
        heads=heads,
        hidden=_needed(name, text.hidden_size, "hidden_size"),
        mlp=3 * max(active, dense if not moe else 0),
        vocabulary=_needed(name, text.vocab_size or config.vocab_size, "vocab_size"),
        dtype=text.dtype or text.torch_dtype or config.dtype or config.torch_dtype or "float32",
        parameters=parameters,
        quantization=quantization,
        padded_experts=padded,
    )


def _needed(name: str, value: int | None, key: str) -> int:
    if not value:
        raise UnknownArchitectureError(f"{key} is missing, so the memory of this {name} is not known")
    return value


def _context(name: str, text: _Text) -> int:
    """The longest context that vLLM accepts: `_get_and_verify_max_len` in its config/model.py."""
    longest = text.max_position_embeddings or 0
    rope = text.rope_scaling or text.rope_parameters
    if rope is None or name.startswith("gemma3"):
        return longest
    kind = rope.rope_type or rope.type or "default"
    if kind in ("default", "su", "longrope", "llama3", "mrope") or not rope.factor:
        return longest
    if kind == "yarn":
        longest = rope.original_max_position_embeddings or longest
    return int(longest * rope.factor)


def _kinds(name: str, text: _Text) -> list[str]:
    """The kind of each layer."""
    depth = _needed(name, text.num_hidden_layers, "num_hidden_layers")
    if text.hybrid_override_pattern is not None:
        kinds = {"M": "mamba", "*": "full", "-": "none", "E": "none"}
        if len(text.hybrid_override_pattern) != depth or not {*text.hybrid_override_pattern} <= {*kinds}:
            raise UnknownArchitectureError(f"hybrid_override_pattern of this {name} is not known")
        return [kinds[letter] for letter in text.hybrid_override_pattern]
    if text.layer_types is not None:
        return _typed(name, text, depth)
    if text.kv_lora_rank:
        return ["latent"] * depth
    if name == "qwen3_next":
        return _every(text.full_attention_interval or 4, depth, "linear")
    if name in ("granitemoehybrid", "nemotron_h"):
        raise UnknownArchitectureError(f"the types of the layers of this {name} are missing")
    return _windowed(name, text, depth)


def _every(interval: int, depth: int, others: str) -> list[str]:
    """Layers of which every n-th has full attention."""
    return ["full" if (index + 1) % interval == 0 else others for index in range(depth)]


def _windowed(name: str, text: _Text, depth: int) -> list[str]:
    if not text.sliding_window or text.use_sliding_window is False:
        return ["full"] * depth
    if name in _PATTERNS:
        pattern = text.sliding_window_pattern
        interval = pattern if isinstance(pattern, int) and pattern > 0 else _PATTERNS[name]
        return _every(interval, depth, "sliding")
    if name in _ALL_SLIDING:
        return ["sliding"] * depth
    if text.sliding_window >= (text.max_position_embeddings or 0):
        return ["full"] * depth
    raise UnknownArchitectureError(f"which layers of this {name} have a sliding window is not known")


def _typed(name: str, text: _Text, depth: int) -> list[str]:
    kinds = {
        "full_attention": "latent" if text.kv_lora_rank else "full",
        "attention": "full",
        "sliding_attention": "sliding",
        # vLLM's hybrid cache excludes them: VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE is off.
        "chunked_attention": "full",
        "linear_attention": "linear",
        "mamba": "mamba",
    }
    types = text.layer_types or []
    unknown = sorted({*types} - {*kinds})
    if unknown or len(types) != depth:
        reason = f"layers of type {unknown[0]}" if unknown else "the number of layer_types"
        raise UnknownArchitectureError(f"{reason} of this {name} is not known")
    return [kinds[kind] for kind in types]


def _head(name: str, text: _Text) -> tuple[int, int, int]:
    """Attention heads, KV heads and elements per head."""
    heads = _needed(name, text.num_attention_heads, "num_attention_heads")
    size = text.head_dim or _needed(name, text.hidden_size, "hidden_size") // heads
    return heads, text.num_key_value_heads or heads, size


def _layers(name: str, text: _Text, kind: str, count: int) -> Layers:
    _, heads, size = _head(name, text)
    if kind == "latent":
        return Layers(count, "latent", 1, (text.kv_lora_rank or 0) + (text.qk_rope_head_dim or 0))
    if kind == "mamba":
        conv, state = _mamba(name, text)[:2]
        return Layers(count, "state", state=conv + state)
    if kind == "linear":
        keys, values, convolution = _linear(name, text)
        channels = 2 * keys + values
        state = (text.linear_num_value_heads or 0) * (text.linear_key_head_dim or 0)
        return Layers(
            count, "state", state=channels * (convolution - 1) + state * (text.linear_value_head_dim or 0)
        )
    if kind == "sliding":
        window = _needed(name, text.sliding_window, "sliding_window")
        return Layers(count, "sliding", heads, size, size, window)
    return Layers(count, "full", heads, size, size)


def _mamba(name: str, text: _Text) -> tuple[int, int, int, int]:
    """Of a Mamba 2 layer: elements of its convolution's state, of its state; inner size; channels."""
    heads = _needed(name, text.mamba_n_heads or text.mamba_num_heads, "mamba_n_heads")
    size = _needed(name, text.mamba_d_head or text.mamba_head_dim, "mamba_d_head")
    width = _needed(name, text.mamba_d_state or text.ssm_state_size, "mamba_d_state")
    groups = text.mamba_n_groups or text.n_groups or 1
    inner = heads * size
    channels = inner + 2 * groups * width
    return channels * ((text.mamba_d_conv or text.conv_kernel or 4) - 1), inner * width, inner, channels


def _linear(name: str, text: _Text) -> tuple[int, int, int]:
    """Of a layer with linear attention: elements of keys, of values, and the width of its convolution."""
    keys = _needed(name, text.linear_num_key_heads, "linear_num_key_heads")
    values = _needed(name, text.linear_num_value_heads, "linear_num_value_heads")
    key = _needed(name, text.linear_key_head_dim, "linear_key_head_dim")
    value = _needed(name, text.linear_value_head_dim, "linear_value_head_dim")
    return keys * key, values * value, text.linear_conv_kernel_dim or 4


def _experts_per_layer(text: _Text) -> int:
    return text.n_routed_experts or text.num_local_experts or text.num_experts or 0


def _parameters(name: str, config: Config, kinds: Sequence[str]) -> Parameters:
    text = config.text
    hidden = _needed(name, text.hidden_size, "hidden_size")
    vocabulary = _needed(name, text.vocab_size or config.vocab_size, "vocab_size")
    tied = next(
        (value for value in (text.tie_word_embeddings, config.tie_word_embeddings) if value is not None),
        name.startswith(_TIED),
    )
    linear, experts = 0, 0
    pattern = text.hybrid_override_pattern
    for index, kind in enumerate(kinds):
        linear += _attention(name, text, kind, hidden)
        if pattern is not None:
            linear += 2 * hidden * (text.intermediate_size or 0) if pattern[index] == "-" else 0
            if pattern[index] == "E":
                raise UnknownArchitectureError(f"the experts of this {name} are not known")
            continue
        dense, routed = _feed_forward(name, text, index, hidden)
        linear += dense
        experts += routed
    vision = 0 if config.vision_config is None else _vision(config.vision_config, hidden)
    return Parameters(vocabulary * hidden * (1 if tied else 2), linear, experts, vision)


def _attention(name: str, text: _Text, kind: str, hidden: int) -> int:
    heads, kv_heads, size = _head(name, text)
    if kind == "none":
        return 0
    if kind == "mamba":
        _, _, inner, channels = _mamba(name, text)
        return hidden * (inner + channels) + inner * hidden
    if kind == "linear":
        keys, values, _ = _linear(name, text)
        return hidden * (2 * keys + 2 * values) + values * hidden
    if kind == "latent":
        latent, rope = text.kv_lora_rank or 0, text.qk_rope_head_dim or 0
        plain, value = text.qk_nope_head_dim or 0, text.v_head_dim or 0
        query = heads * (plain + rope)
        rank = text.q_lora_rank
        queries = hidden * rank + rank * query if rank else hidden * query
        return queries + hidden * (latent + rope) + latent * heads * (plain + value) + heads * value * hidden
    gated = 2 if name == "qwen3_next" else 1  # its attention has an output gate
    return hidden * size * ((1 + gated) * heads + 2 * kv_heads)


def _feed_forward(name: str, text: _Text, index: int, hidden: int) -> tuple[int, int]:
    """Parameters of a layer's dense part and of its routed experts."""
    experts = _experts_per_layer(text)
    dense = 3 * hidden * (text.intermediate_size_mlp or text.intermediate_size or 0)
    if not experts:
        if name == "granitemoehybrid":
            dense = 3 * hidden * (text.shared_intermediate_size or text.intermediate_size or 0)
        return dense, 0
    if index < (text.first_k_dense_replace or 0):
        return dense, 0
    step = text.interleave_moe_layer_step or text.decoder_sparse_step or 1
    if (index + 1) % step != 0:
        return dense, 0
    size = text.moe_intermediate_size or text.intermediate_size or 0
    shared = (text.n_shared_experts or 0) * size
    shared += text.shared_expert_intermediate_size or text.shared_intermediate_size or 0
    if name.startswith("llama4"):
        shared += text.intermediate_size or 0
    return 3 * hidden * shared + hidden * experts, 3 * hidden * size * experts


def _vision(vision: _Vision, text_hidden: int) -> int:
    """An estimate for a vision transformer; exact sizes come from the files of the weights."""
    hidden = vision.embed_dim or vision.hidden_size or 0
    depth = vision.depth or vision.num_hidden_layers or 0
    intermediate = vision.intermediate_size or int((vision.mlp_ratio or 4) * hidden)
    merger = 4 * hidden * (4 * hidden + text_hidden) if vision.depth else hidden * text_hidden
    return depth * (4 * hidden**2 + 2 * hidden * intermediate) + merger


def _quantization(quantization: _Quantization) -> Quantization:
    """Bytes per parameter, with the scales of groups.

    Raises:
        UnknownArchitectureError: the method is unknown.
    """
    method = (quantization.quant_method or quantization.quant_algo or "unnamed").lower()
    kv_bytes = 1 if quantization.kv_cache_scheme or quantization.kv_cache_quant_algo == "FP8" else 0
    bits = quantization.bits or quantization.w_bit
    if method in ("awq", "gptq", "auto-round", "auto_round") and bits:
        group = quantization.group_size or 128
        # A scale of 16 bits and a zero point per group.
        overhead = (2 + bits / 8) / group if group > 0 else 0.0
        return Quantization(method, bits / 8 + overhead, kv_bytes=kv_bytes)
    if method == "compressed-tensors":
        return Quantization(method, _compressed(quantization.config_groups or {}), kv_bytes=kv_bytes)
    if method == "modelopt" or quantization.quant_algo:
        algorithm = (quantization.quant_algo or "").upper()
        sizes = {"FP8": 1.0, "NVFP4": 0.5625, "": 0.0}
        if not sizes.get(algorithm):
            raise UnknownArchitectureError(
                f"the size of weights with the quantization {method} {algorithm} is not known"
            )
        return Quantization(f"modelopt {algorithm}", sizes[algorithm], kv_bytes=kv_bytes)
    if method == "bitsandbytes":
        return Quantization(method, 0.53 if quantization.load_in_4bit else 1.0)
    simple = {"fp8": 1.0, "fbgemm_fp8": 1.0, "mxfp4": 0.53125}
    if method not in simple:
        raise UnknownArchitectureError(f"the size of weights with the quantization {method} is not known")
    return Quantization(method, simple[method], method == "mxfp4", kv_bytes)


def _compressed(groups: dict[str, Any]) -> float:
    for group in groups.values():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict) and isinstance(bits := weights.get("num_bits"), int) and 1 <= bits <= 32:
            size = weights.get("group_size")
            scale = (1 if bits == 4 and weights.get("type") == "float" else 2) if isinstance(size, int) else 0
            return bits / 8 + (scale / size if scale and isinstance(size, int) and size > 0 else 0)
    raise UnknownArchitectureError("the number of bits of these compressed tensors is not known")


def dtype_bytes(dtype: str) -> int:
    """Bytes per element of a data type.

    Raises:
        UnknownArchitectureError: it is unknown.
    """
    size = DTYPE_BYTES.get(dtype.removeprefix("torch."))
    if size is None:
        raise UnknownArchitectureError(f"the data type {dtype} is not known")
    return size


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
