"""Requests against the API's contract: the subset of OpenAPI's schemas that it uses.

`contract.json` has the schemas of the published contract (`make generate`), so that requests are checked
against exactly what the documentation says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.errors import InvalidRequestError

Schema = dict[str, Any]

_SCHEMAS: Final[dict[str, Schema]] = json.loads(Path(__file__).with_name("contract.json").read_bytes())
_ABSENT: Final = object()
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_NOUNS: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}
_BOUNDS: Final[tuple[tuple[str, str, Callable[[Any, Any], bool]], ...]] = (
    ("minimum", "of at least {}", lambda value, bound: value >= bound),
    ("maximum", "of at most {}", lambda value, bound: value <= bound),
    ("minLength", "that is not empty", lambda value, bound: len(value) >= bound),
    ("minItems", "of at least {} item", lambda value, bound: len(value) >= bound),
)
_MAX_QUOTED: Final = 40


def conforming(value: Any, schema: str, location: str = "") -> Any:
    """A value without the null members of its objects, which are the same as absent ones.

    Members that the contract does not describe stay as they are.

    Args:
        value: a JSON value.
        schema: name of its schema in the contract.
        location: its path in the request.

    Raises:
        InvalidRequestError: it does not conform; `param` names the member.
    """
    return _conforming(value, _SCHEMAS[schema], location)


def _conforming(value: Any, schema: Schema, location: str) -> Any:
    schema = _resolved(schema)
    if "discriminator" in schema:
        schema = _discriminated(value, schema, location)
    elif "anyOf" in schema:
        return _any_conforming(value, schema, location)
    _check(value, schema, location)
    if isinstance(value, list) and "items" in schema:
        return [
            _conforming(item, schema["items"], f"{location}[{index}]") for index, item in enumerate(value)
        ]
    if isinstance(value, dict) and "properties" in schema:
        return dict(_members(value, schema, location))
    if isinstance(value, dict) and "additionalProperties" in schema:
        for name, member in value.items():
            _conforming(member, schema["additionalProperties"], f"{location}.{name}")
    return value


def _members(value: Schema, schema: Schema, location: str) -> Iterator[tuple[str, Any]]:
    prefix = f"{location}." if location else ""
    properties = schema["properties"]
    for name, member in value.items():
        if name in properties and member is not None:
            yield name, _conforming(member, properties[name], f"{prefix}{name}")
        elif member is not None:
            yield name, member
    for name in schema.get("required", ()):
        if value.get(name) is None:
            raise invalid(f"{prefix}{name}", _expected(properties[name]), value.get(name, _ABSENT))


def _discriminated(value: Any, schema: Schema, location: str) -> Schema:
    _check(value, schema, location)
    name, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    kind = value.get(name, _ABSENT)
    if not isinstance(kind, str) or kind not in mapping:
        raise invalid(f"{location}.{name}", _one_of(mapping), kind)
    return _SCHEMAS[mapping[kind].rpartition("/")[2]]


def _any_conforming(value: Any, schema: Schema, location: str) -> Any:
    alternatives = [_resolved(alternative) for alternative in schema["anyOf"]]
    candidates = [candidate for candidate in alternatives if _is(value, candidate["type"])]
    if len(candidates) == 1:
        return _conforming(value, candidates[0], location)
    for candidate in candidates:
        try:
            return _conforming(value, candidate, location)
        except InvalidRequestError:
            continue
    raise invalid(location, _expected(schema), value)


def _check(value: Any, schema: Schema, location: str) -> None:
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        raise invalid(location, _expected(schema), value)
    if "enum" in schema and value not in schema["enum"]:
        raise invalid(location, _expected(schema), value)
    for keyword, _, holds in _BOUNDS:
        if keyword in schema and not holds(value, schema[keyword]):
            raise invalid(location, _expected(schema), value)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _resolved(schema: Schema) -> Schema:
    return _SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _expected(schema: Schema) -> str:
    """The end of a sentence about a value: it must be …"""
    schema = _resolved(schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_expected, schema["anyOf"])))
    if "enum" in schema:
        return _one_of(schema["enum"])
    text = _NOUNS[schema["type"]]
    if "items" in schema:
        items = _resolved(schema["items"])
        kinds = dict.fromkeys(_resolved(item)["type"] for item in items.get("anyOf", (items,)))
        text += " of " + " or ".join(f"{_NOUNS[kind].partition(' ')[2]}s" for kind in kinds)
    bounds = [words.format(schema[keyword]) for keyword, words, _ in _BOUNDS if keyword in schema]
    return " ".join([text, " and ".join(bounds)]) if bounds and "items" not in schema else text


def _one_of(values: Iterable[str]) -> str:
    *others, last = [repr(value) for value in values]
    return f"{', '.join(others)} or {last}" if others else last


def invalid(param: str, expected: str, value: object) -> InvalidRequestError:
    """The error for a member `param` that is `value` and must be something else."""
    return InvalidRequestError(f"'{param}' is {_described(value)}: it must be {expected}.", param=param)


def _described(value: object) -> str:
    if value is _ABSENT:
        return "missing"
    if value is None:
        return "null"
    if value in ("", [], {}):
        return "empty"
    if isinstance(value, str) and len(value) <= _MAX_QUOTED:
        return repr(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and len(repr(value)) <= _MAX_QUOTED:
        return repr(value)
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return kinds.get(type(value), "a number")
