"""Validation of requests against AWS's service models, with AWS's error messages.

botocore ships the models, but clients check little of them: lengths, patterns and enumerations are left to
the service. The messages are as LocalStack recorded them on AWS (localstack/localstack, `*.snapshot.json`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from toolkit.local.awsapi import ApiError

# JSON type → shape types that accept it, and how AWS names a value of it.
_JSON_TYPES: Mapping[type, tuple[frozenset[str], str]] = {
    str: (frozenset({"string", "blob", "timestamp", "character"}), "STRING_VALUE"),
    int: (frozenset({"integer", "long", "float", "double", "timestamp"}), "NUMBER_VALUE"),
    float: (frozenset({"float", "double", "timestamp"}), "DECIMAL_VALUE"),
    list: (frozenset({"list"}), "Start of list found where not expected"),
    dict: (frozenset({"map", "structure"}), "Start of structure or map found where not expected"),
}

# AWS's patterns are written for Java; Python's `re` lacks Unicode categories and surrogate pairs. A negated
# class stands for categories that it lacks.
_JAVA = {
    r"\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}": r"\s\S",
    r"\p{L}\p{M}\p{S}\p{N}\p{P}": r"\S",
    r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}": r"\s\S",
    r"\p{L}\p{M}\p{Z}\p{N}\p{P}": r"\s\S",
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}-_": r"\s\-_",
    r"\p{Z}": r"\s",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"[\p{Print}]": r"[\x20-\x7e]",
    r"\p{Print}": r"[\x20-\x7e]",
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"\z": r"\Z",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
    r"[\w-_]": r"[\w\-_]",
    r")${1,": r"){1,",
    # A flag is for the rest of its group; Python has none inside of a pattern.
    r"|(?i).*<script>.*</script>.*)": r"|(?i:.*<script>.*</script>.*))",
}


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of a service model."""
    for java, python in _JAVA.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def check_types(shape: Shape, value: object) -> None:
    """Check the types of a JSON value; unknown members are ignored.

    Raises:
        ApiError: SerializationException.
    """
    if value is None or getattr(shape, "is_document_type", False):
        return
    _check_type(shape, value)
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, member in shape.members.items():
            check_types(member, value.get(member.serialization.get("name", name)))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            check_types(shape.member, item)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for item in value.values():
            check_types(shape.value, item)


def _check_type(shape: Shape, value: object) -> None:
    expected = shape.type_name
    if isinstance(value, bool):
        # In Python a boolean is an integer, in JSON it is not a number.
        accepted, name = frozenset({"boolean"}), f"{value}_VALUE".upper()
    else:
        accepted, name = _JSON_TYPES[type(value)]
    if expected in accepted:
        return
    if expected in ("list", "map", "structure"):
        message = f"Expected {'list' if expected == 'list' else 'structure or map'} or null"
    else:
        article = "an" if expected.startswith("i") else "a"
        message = f"{name} can not be converted to {article} {expected.title()}" if "_" in name else name
    raise ApiError("SerializationException", message)


def violations(
    shape: Shape, value: object, path: str = "", *, is_secret: bool = False
) -> Iterator[tuple[str, str]]:
    """The members that violate a constraint, each with AWS's message.

    Args:
        shape: of the service model.
        value: as moto parses it; absent members may be None.
        path: of the value in the request, such as `tags.1.member`.
        is_secret: whether the messages omit values.
    """
    is_secret = is_secret or bool(shape.metadata.get("sensitive"))
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        yield from _of_structure(shape, value, path, is_secret)
        return
    failed = list(_failed(shape, value))
    # Structures in lists and maps have their own paths, and scalars that of the list or map.
    items: list[tuple[str, Shape, object]] = []
    if isinstance(shape, ListShape) and isinstance(value, list):
        failed += _of_scalars("Member", shape.member, value)
        items = [(f"{path}.{n}.member", shape.member, item) for n, item in enumerate(value, start=1)]
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        failed += _of_scalars("Map keys", shape.key, value)
        failed += _of_scalars("Map value", shape.value, value.values())
        items = [(f"{path}.{key}.member", shape.value, item) for key, item in value.items()]
    for item_path, member, item in items:
        if not _is_scalar(member):
            yield from violations(member, item, item_path, is_secret=is_secret)
    text = "Value" if is_secret else f"Value '{_java(value)}'"
    for constraint in failed:
        yield path, _message(text, path, constraint)


def _of_structure(
    shape: StructureShape, value: Mapping[str, Any], path: str, is_secret: bool
) -> Iterator[tuple[str, str]]:
    for name, member in shape.members.items():
        member_path = f"{path}.{_camel(name)}" if path else _camel(name)
        item = value.get(name)
        # moto cannot tell an absent list in a query string from an empty one.
        if item is not None and not (item == [] and member.serialization.get("location") == "querystring"):
            yield from violations(member, item, member_path, is_secret=is_secret)
        elif name in shape.required_members:
            yield member_path, _message("Value null", member_path, "Member must not be null")


def _is_scalar(shape: Shape) -> bool:
    return shape.type_name not in ("list", "map", "structure")


def _of_scalars(role: str, shape: Shape, items: Iterable[object]) -> list[str]:
    """AWS names all constraints of the items, whichever one an item violates."""
    if not _is_scalar(shape) or not any(any(_failed(shape, item)) for item in items):
        return []
    return [f"{role} must satisfy constraint: [{', '.join(text for text, _ in _constraints(shape, None))}]"]


def _failed(shape: Shape, value: object) -> Iterator[str]:
    return (text for text, is_met in _constraints(shape, value) if not is_met)


def _constraints(shape: Shape, value: Any) -> Iterator[tuple[str, bool]]:
    """The constraints of a shape, and whether the value meets each; None meets all."""
    if isinstance(shape, StringShape) and shape.enum:
        text = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        yield text, value is None or value in shape.enum
    metadata = shape.metadata
    is_number = shape.type_name in ("integer", "long", "float", "double")
    if not is_number and shape.type_name not in ("string", "list", "map"):
        return
    size = value if is_number or value is None else len(value)
    noun = "value" if is_number else "length"
    if (maximum := metadata.get("max")) is not None:
        yield f"Member must have {noun} less than or equal to {maximum}", size is None or size <= maximum
    if (minimum := metadata.get("min")) is not None:
        yield f"Member must have {noun} greater than or equal to {minimum}", size is None or size >= minimum
    if pattern := metadata.get("pattern"):
        is_met = value is None or compiled(pattern).fullmatch(value) is not None
        yield f"Member must satisfy regular expression pattern: {pattern}", is_met


def _message(value: str, path: str, constraint: str) -> str:
    return f"{value} at '{path}' failed to satisfy constraint: {constraint}"


def _java(value: object) -> str:
    """A value as Java prints it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_java, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_java(item)}' for key, item in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
