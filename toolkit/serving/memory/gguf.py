"""Reads the header of a GGUF file, the format of llama.cpp.

The header describes the model, ahead of the tensors (ggml: docs/gguf.md). It is untrusted input: every length
is checked against what was read, and the strings of arrays are not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from toolkit.documents import DamagedError
from toolkit.serving.memory.architecture import Architecture, Layers, UnknownArchitectureError

# A vocabulary of 260,000 tokens with merges has 12 MB.
MAX_BYTES = 64 * 2**20
_FIRST_BYTES = 2**16
_MAX_DEPTH = 10_000
_MAX_NUMBER = 10_000_000

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# Every n-th layer has full attention: `set_swa_pattern` in llama.cpp's src/models and src/llama-model.cpp.
_PATTERNS = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}
_RECURRENT = ("mamba", "rwkv", "kimi-linear")

# Reads a number of bytes from an offset; fewer at the end of the file.
Read = Callable[[int, int], bytes]


class _TruncatedError(Exception):
    """More of the file is needed."""


@dataclass
class _Header:
    """The metadata of a file.

    Attributes:
        scalars: numbers, booleans and strings by key.
        arrays: arrays of up to 10,000 numbers by key.
        lengths: lengths of all arrays by key.
    """

    scalars: dict[str, str | float] = field(default_factory=dict)
    arrays: dict[str, list[float]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)


def read(read_bytes: Read) -> Architecture:
    """The model that a GGUF file describes.

    Args:
        read_bytes: reads the file.

    Raises:
        DamagedError: it is not a GGUF file.
        UnknownArchitectureError: the memory of this model cannot be computed.
    """
    content, size = b"", _FIRST_BYTES
    while True:
        content += read_bytes(len(content), size - len(content))
        try:
            return _architecture(_parse(content))
        except _TruncatedError:
            if len(content) < size:
                raise DamagedError("the header of this GGUF file is incomplete") from None
            if size >= MAX_BYTES:
                raise DamagedError(f"the header is larger than {MAX_BYTES // 2**20} MiB") from None
            size *= 4


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._offset = 0

    def take(self, size: int) -> bytes:
        if size > MAX_BYTES:
            raise DamagedError(f"a value of {size} bytes is too large")
        end = self._offset + size
        if end > len(self._content):
            raise _TruncatedError
        value = self._content[self._offset : end]
        self._offset = end
        return value

    def number(self, code: str) -> float:
        value: float = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]
        return value

    def length(self) -> int:
        return int(self.number("Q"))

    def string(self) -> str:
        return self.take(self.length()).decode("utf-8", "replace")


def _parse(content: bytes) -> _Header:
    reader = _Reader(content)
    if reader.take(4) != b"GGUF":
        raise DamagedError("not a GGUF file")
    version = int(reader.number("I"))
    if version not in (2, 3):
        raise DamagedError(f"GGUF version {version} is not supported")
    reader.length()  # number of tensors
    header = _Header()
    count = reader.length()
    if count > _MAX_NUMBER:
        raise DamagedError(f"{count} members of metadata are too many")
    for _ in range(count):
        key = reader.string()
        kind = int(reader.number("I"))
        if kind == _ARRAY:
            _array(reader, key, header)
        elif kind == _STRING:
            header.scalars[key] = reader.string()
        else:
            header.scalars[key] = reader.number(_code(kind))
    return header


def _array(reader: _Reader, key: str, header: _Header) -> None:
    kind, length = int(reader.number("I")), reader.length()
    header.lengths[key] = length
    if kind == _STRING:
        for _ in range(length):
            reader.take(reader.length())
        return
    code = _code(kind)
    content = reader.take(length * struct.calcsize(f"<{code}"))
    if length <= _MAX_DEPTH:
        header.arrays[key] = list(struct.unpack(f"<{length}{code}", content))


def _code(kind: int) -> str:
    code = _SCALARS.get(kind)
    if code is None:
        raise DamagedError(f"a value has the unknown type {kind}")
    return code


def _architecture(header: _Header) -> Architecture:
    name = header.scalars.get("general.architecture")
    if not isinstance(name, str):
        raise DamagedError("general.architecture is missing")
    if name.startswith(_RECURRENT):
        raise UnknownArchitectureError(f"the memory of models of type {name} is not known")

    def number(key: str, default: int | None = None) -> int:
        value = header.scalars.get(f"{name}.{key}", default)
        if not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:
            raise UnknownArchitectureError(f"{name}.{key} is missing or not a size")
        return int(value)

    depth = number("block_count")
    if depth > _MAX_DEPTH:
        raise UnknownArchitectureError(f"{depth} layers are too many")
    hidden, heads = number("embedding_length"), _heads(header, f"{name}.attention.head_count", depth)
    kv_heads = _heads(header, f"{name}.attention.head_count_kv", depth) or heads
    if not any(heads):
        raise UnknownArchitectureError(f"{name}.attention.head_count is missing")
    size = hidden // max(heads)
    return Architecture(
        name=name,
        context=number("context_length", 0),
        layers=_cached(
            _Cache(
                key=number("attention.key_length", size),
                value=number("attention.value_length", size),
                latent=number("attention.key_length_mla", 0) > 0,
                window=number("attention.sliding_window", 0),
                state=number("ssm.inner_size", 0)
                * (number("ssm.state_size", 0) + max(0, number("ssm.conv_kernel", 1) - 1)),
            ),
            kv_heads,
            _sliding(header, name, depth) if number("attention.sliding_window", 0) else [],
        ),
        heads=max(heads),
        hidden=hidden,
        mlp=0,
        vocabulary=number("vocab_size", header.lengths.get("tokenizer.ggml.tokens", 0)),
        dtype="float16",
    )


def _heads(header: _Header, key: str, depth: int) -> list[int]:
    """Heads of each layer; empty if the file does not say."""
    value = header.scalars.get(key)
    heads = [value] * depth if isinstance(value, int | float) else header.arrays.get(key, [])
    if heads and (len(heads) != depth or not all(0 <= count <= _MAX_NUMBER for count in heads)):
        raise UnknownArchitectureError(f"{key} does not fit {depth} layers")
    return [int(count) for count in heads]


def _sliding(header: _Header, name: str, depth: int) -> Sequence[bool]:
    """Whether each layer has a sliding window."""
    pattern = header.arrays.get(f"{name}.attention.sliding_window_pattern")
    if pattern is not None and len(pattern) == depth:
        return [bool(slides) for slides in pattern]
    every = header.scalars.get(f"{name}.attention.sliding_window_pattern", _PATTERNS.get(name))
    if not isinstance(every, int | float) or every < 1:
        raise UnknownArchitectureError(f"which layers of this {name} have a sliding window is not known")
    return [(index + 1) % int(every) != 0 for index in range(depth)]


@dataclass(frozen=True)
class _Cache:
    key: int
    value: int
    latent: bool
    window: int
    state: int


def _cached(cache: _Cache, kv_heads: Sequence[int], sliding: Sequence[bool]) -> tuple[Layers, ...]:
    counts: dict[Layers, int] = {}
    for index, heads in enumerate(kv_heads):
        if not heads:
            layer = Layers(1, "state", state=cache.state)
        elif cache.latent:
            # llama.cpp stores no values: `has_v = !is_mla` in src/llama-kv-cache.cpp.
            layer = Layers(1, "latent", 1, cache.key)
        elif sliding and sliding[index]:
            layer = Layers(1, "sliding", heads, cache.key, cache.value, cache.window)
        else:
            layer = Layers(1, "full", heads, cache.key, cache.value)
        counts[layer] = counts.get(layer, 0) + 1
    return tuple(
        Layers(count, layer.cache, layer.heads, layer.key, layer.value, layer.window, layer.state)
        for layer, count in counts.items()
    )
