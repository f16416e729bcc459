"""Writes headers of GGUF files."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

Value = str | int | float | bool | Sequence[str] | Sequence[int]


def header(metadata: Mapping[str, Value], version: int = 3) -> bytes:
    """The header of a file without tensors: strings, 32-bit numbers, booleans, and arrays of them."""
    content = b"GGUF" + struct.pack("<IQQ", version, 0, len(metadata))
    for key, value in metadata.items():
        content += _string(key) + _value(value)
    return content


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    items = list(value)
    if items and isinstance(items[0], str):
        return struct.pack("<IIQ", 9, 8, len(items)) + b"".join(_string(item) for item in items)
    return struct.pack("<IIQ", 9, 4, len(items)) + struct.pack(f"<{len(items)}I", *items)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
