"""The properties of a model that decide on its memory, whatever file describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Bytes per element of the data types in `config.json`.
DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}


class UnknownArchitectureError(ValueError):
    """The memory of a model cannot be computed from its description; the message is the reason."""


@dataclass(frozen=True)
class Layers:
    """Layers with the same cache.

    Attributes:
        count: number of layers.
        cache: `full` caches all tokens, `sliding` those of a window, `latent` a compressed vector per token
            that all heads share (MLA), `state` a state of fixed size per request.
        heads: number of KV heads; 1 for a latent cache.
        key: elements of a key per token and head, or of the latent vector.
        value: elements of a value per token and head.
        window: window in tokens.
        state: elements of the state.
    """

    count: int
    cache: Literal["full", "sliding", "latent", "state"]
    heads: int = 0
    key: int = 0
    value: int = 0
    window: int = 0
    state: int = 0


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters, by the part of the model.

    Attributes:
        embedding: token embeddings and, unless tied to them, the output layer.
        linear: attention and feed-forward layers without routed experts.
        experts: routed experts, which are all loaded.
        vision: encoders of images, and their projector.
    """

    embedding: int
    linear: int
    experts: int = 0
    vision: int = 0

    @property
    def total(self) -> int:
        """All parameters."""
        return self.embedding + self.linear + self.experts + self.vision


@dataclass(frozen=True)
class Quantization:
    """A quantization of the weights.

    Attributes:
        method: name, as in `quantization_config`.
        bytes: bytes per quantized parameter, with scales.
        experts_only: whether only routed experts are quantized.
        kv_bytes: bytes per element of the KV cache if the checkpoint contains its scales; 0 otherwise.
    """

    method: str
    bytes: float
    experts_only: bool = False
    kv_bytes: int = 0


@dataclass(frozen=True)
class Architecture:
    """A model.

    Attributes:
        name: type of the model.
        context: longest context in tokens; 0 if unknown.
        layers: its layers by their cache.
        heads: attention heads, which tensor parallelism divides.
        hidden: size of the hidden state.
        mlp: activations per token in the widest feed-forward layer.
        vocabulary: number of tokens in the vocabulary.
        dtype: data type of the unquantized weights.
        parameters: numbers of parameters; None if a file's size is the weights' size.
        quantization: quantization of the weights; None if there is none.
        padded_experts: parameters of routed experts with MXFP4, whose intermediate size vLLM pads.
    """

    name: str
    context: int
    layers: tuple[Layers, ...]
    heads: int
    hidden: int
    mlp: int
    vocabulary: int
    dtype: str = "bfloat16"
    parameters: Parameters | None = None
    quantization: Quantization | None = None
    padded_experts: int = 0

    @property
    def depth(self) -> int:
        """Number of layers."""
        return sum(layers.count for layers in self.layers)
