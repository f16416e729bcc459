"""Damage to documents: members that are missing or of other types, and bytes that are missing or wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]
# Values that have broken readers, or could.
AWKWARD: list[Any] = [
    None,
    True,
    "",
    "x" * 5000,
    "\x00",
    "\x1b[2J",
    "e\u0301\u202e",
    "../../etc/passwd",
    0,
    -1,
    1.5,
    10**18,
    2**64,
    10**400,
    [],
    {},
    [[]],
    {"": None},
    [None, 1, "a"],
]
VALUES = st.sampled_from(AWKWARD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)
JUNK = st.sampled_from(
    [
        b"[" * 3000,
        b'{"a":' * 3000,
        b"9" * 5000,
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"null",
        b'"\\ud800"',
        b'"\\u0000"',
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b",",
        b'"',
        b"}",
    ]
) | st.binary(max_size=4)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Return the paths of all members of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def changed(value: Any, path: Path, new: Any) -> Any:
    """Return a copy with another value at a path."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new) if len(path) > 1 else new
    return copy


def without(value: Any, path: Path) -> Any:
    """Return a copy without the member at a path."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) > 1:
        copy[path[0]] = without(copy[path[0]], path[1:])
    else:
        del copy[path[0]]
    return copy


def variations(document: Any) -> Iterator[Any]:
    """Return copies of a document in which one member is missing or has a value of another type."""
    for path in paths(document):
        yield without(document, path)
        for value in (None, True, 7, -1, "x", [], {}, [None], {"x": None}):
            yield changed(document, path, value)


def duplicated(text: bytes) -> bytes:
    """Return a JSON object that repeats its first member."""
    return b'{"' + text[2:].partition(b'"')[0] + b'": null, ' + text[1:]


@st.composite
def damaged(draw: st.DrawFn, valid: Any) -> bytes:
    """Return JSON text of a document with one or two damaged members, or with damaged bytes."""
    document = valid
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(list(paths(document)) or [()]))
        if path:
            document = (
                without(document, path) if draw(st.booleans()) else changed(document, path, draw(VALUES))
            )
    return draw(damaged_bytes(json.dumps(document).encode()))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Return content that is truncated, has other bytes in one place, or is unchanged."""
    place = draw(st.integers(0, len(content)))
    match draw(st.sampled_from(["none", "cut", "insert", "replace", "flip", "twice"])):
        case "cut":
            return content[:place]
        case "insert":
            return content[:place] + draw(JUNK) + content[place:]
        case "replace":
            return content[:place] + draw(JUNK) + content[place + draw(st.integers(1, 40)) :]
        case "flip" if place < len(content):
            flipped = content[place] ^ 1 << draw(st.integers(0, 7))
            return content[:place] + bytes([flipped]) + content[place + 1 :]
        case "twice" if content.startswith(b'{"'):
            return duplicated(content)
    return content
