"""Python values as literals of HCL, Terraform's language, in the layout of `terraform fmt`."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Characters that would be invisible, or be taken for an end of line, are written as escapes.
_ESCAPED_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Zl", "Zp")


def literal(value: object) -> str:
    """The literal of a value: None, bool, int, float, str, and lists and mappings of them.

    Maps are sorted by key, so the same value is the same text.

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
    # Whole numbers without a fraction, so that 50 and 50.0 are the same text.
    return str(int(value)) if value == int(value) else repr(value)


def _string(value: str, *, ascii_only: bool = False) -> str:
    # Iterated as a plain str: a subclass could bring methods that escape for something else.
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
    # `$${` would mean `${`, but what `$$${` means is hard to say; an escape has one meaning.
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _map(mapping: Mapping[object, object]) -> str:
    if not mapping:
        return "{}"
    items: list[tuple[str, str]] = []
    for key in sorted(mapping, key=str):
        if not isinstance(key, str):
            raise TypeError(f"keys of HCL maps are strings, not {type(key).__name__}: {key!r}")
        # Keys in ASCII: `terraform fmt` aligns by what a terminal shows, which nobody else can count.
        items.append((_string(key, ascii_only=True), literal(mapping[key])))
    return "{\n" + "\n".join(_indent(line) for line in _aligned(items)) + "\n}"


def _aligned(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    """`key = value` with the equals signs of neighbouring one-line items in one column."""
    for one_line, group in groupby(items, key=lambda item: "\n" not in item[1]):
        neighbours = list(group)
        width = max(len(key) for key, _ in neighbours) if one_line else 0
        for key, value in neighbours:
            yield f"{key:{width}} = {value}"


def _list(values: Sequence[object]) -> str:
    literals = [literal(value) for value in values]
    if not any("\n" in text for text in literals):
        return f"[{', '.join(literals)}]"
    return "[\n" + "\n".join(_indent(f"{text},") for text in literals) + "\n]"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
