"""Python values as HCL literals, formatted as by `terraform fmt`."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Characters that are invisible or could end a line are escaped.
_ESCAPED_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Zl", "Zp")


def literal(value: object) -> str:
    """The HCL literal of None, bool, int, float, str, and lists and mappings of them.

    Maps are sorted by key, so equal values give equal text.

    Raises:
        TypeError: HCL has no literal for it.
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return _map(value)
    if isinstance(value, list | tuple):
        return _list(value)
    raise TypeError(f"HCL has no literal for {type(value).__name__}: {value!r}")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise TypeError(f"HCL has no literal for {value}")
    # 50 and 50.0 give the same text.
    return str(int(value)) if value == int(value) else repr(value)


def _string(value: str, *, ascii_only: bool = False) -> str:
    # A subclass of str may override methods to escape for another language.
    characters = list(str.__iter__(value))
    text = ""
    for index, character in enumerate(characters):
        opens_template = character in "$%" and characters[index + 1 : index + 2] == ["{"]
        if character in _ESCAPES:
            text += _ESCAPES[character]
        elif (
            opens_template
            or (ascii_only and not character.isascii())
            or unicodedata.category(character) in _ESCAPED_CATEGORIES
        ):
            text += _escape(character)
        else:
            text += character
    return f'"{text}"'


def _escape(character: str) -> str:
    # `$${` means `${`, but `$$${` is ambiguous; an escape is not.
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _map(mapping: Mapping[object, object]) -> str:
    if not mapping:
        return "{}"
    items: list[tuple[str, str]] = []
    for key in sorted(mapping, key=str):
        if not isinstance(key, str):
            raise TypeError(f"keys of HCL maps are strings, not {type(key).__name__}: {key!r}")
        # `terraform fmt` aligns keys by their display width, which equals the length only for ASCII.
        items.append((_string(key, ascii_only=True), literal(mapping[key])))
    return "{\n" + "\n".join(_indent(line) for line in _aligned(items)) + "\n}"


def _aligned(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    """`key = value` lines, with the equals signs of adjacent one-line items aligned."""
    for one_line, group in groupby(items, key=lambda item: "\n" not in item[1]):
        block = list(group)
        width = max(len(key) for key, _ in block) if one_line else 0
        for key, value in block:
            yield f"{key:{width}} = {value}"


def _list(values: Sequence[object]) -> str:
    literals = [literal(value) for value in values]
    if not any("\n" in text for text in literals):
        return f"[{', '.join(literals)}]"
    return "[\n" + "\n".join(_indent(f"{text},") for text in literals) + "\n]"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
