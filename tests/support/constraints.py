"""Requests that each break one constraint of AWS's service models, as botocore sends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.model import Shape

from toolkit.local.schema import compiled

# A request as an ASGI scope, and its body.
Captured = tuple[dict[str, Any], bytes]
# A step into a request: the name of a member, `[]` for the item of a list, `{}` for the value of a map,
# `key` for its key.
Path = tuple[str, ...]
# Longer values would make the tests slow.
_MAX_LENGTH = 20_000
_MAX_DEPTH = 5
_NUMBERS = ("integer", "long", "float", "double")
# Texts that violate patterns.
_STRANGE = ("!", "a b", "\x01", "?#", "x")


class _CapturedError(Exception):
    pass


@cache
def client(service: str) -> Any:
    """A boto3 client that validates nothing."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url="http://127.0.0.1:5000",
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(parameter_validation=False, s3={"addressing_style": "path"}),
    )


def capture(service: str, method: str, parameters: dict[str, Any]) -> Captured:
    """The HTTP request of a boto3 call, as an ASGI scope and body, without sending it."""
    sender, sent = client(service), []
    if service == "dynamodb":
        # It would derive the endpoint from members, and refuse those of a wrong type.
        sender._ruleset_resolver = None

    def take(request: Any, **_: Any) -> None:
        sent.append(request)
        raise _CapturedError

    sender.meta.events.register("before-send", take)
    try:
        getattr(sender, method)(**parameters)
    except _CapturedError:
        return as_scope(sent[0])
    finally:
        sender.meta.events.unregister("before-send", take)
    raise AssertionError(f"{service} {method} sent nothing")


def as_scope(request: Any) -> Captured:
    """An ASGI scope and the body of a request that botocore has prepared."""
    url = urlsplit(request.url)
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    headers = [
        (name.lower().encode(), value if isinstance(value, bytes) else str(value).encode())
        for name, value in request.headers.items()
    ]
    scope = {
        "type": "http",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [*headers, (b"host", url.netloc.encode())],
    }
    return scope, body.encode() if isinstance(body, str) else body


@dataclass(frozen=True)
class Constraint:
    """A constraint of one member.

    Attributes:
        path: of the member.
        kind: `required`, `type`, `enum`, `length`, `range` or `pattern`.
        request: breaks the constraint.
    """

    path: Path
    kind: str
    request: dict[str, Any]

    @property
    def in_message(self) -> str:
        """The member as AWS's messages name it; lists and maps for their scalars."""
        text, steps = "", self.path[:-1] if self.path[-1] in ("[]", "{}", "{key}") else self.path
        for step in steps:
            if step == "[]":
                text += ".1.member"
            elif step == "{}":
                text += ".k.member"
            elif step != "{key}":
                text += f".{step[:1].lower()}{step[1:]}"
        return f"{text[1:]}'"


def constraints(shape: Shape, protocol: str) -> Iterator[Constraint]:
    """All constraints of an operation's input that a request can break."""
    for path, kind, value in _broken(shape, (), protocol):
        yield Constraint(path, kind, _with(shape, path, value))


ABSENT: Any = object()


def _broken(shape: Shape, path: Path, protocol: str) -> Iterator[tuple[Path, str, Any]]:
    yield from ((path, kind, value) for kind, value in _broken_values(shape, path, protocol))
    in_query = protocol in ("query", "ec2")
    if len(path) >= _MAX_DEPTH or getattr(shape, "is_document_type", False):
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            is_streamed = shape.serialization.get("payload") == name and member.type_name != "structure"
            if is_streamed or member.metadata.get("idempotencyToken"):
                continue
            # Without it, the path and query are those of another operation. The query protocol has no empty
            # structures.
            is_needed = location in ("uri", "querystring") or (
                path and in_query and len(shape.required_members) == 1
            )
            if name in shape.required_members and not is_needed:
                yield (*path, name), "required", ABSENT
            yield from _broken(member, (*path, name), protocol)
    elif shape.type_name in ("list", "map"):
        member, step = (shape.member, "[]") if shape.type_name == "list" else (shape.value, "{}")
        # Everything in a query string is text.
        is_text = shape.serialization.get("location") is not None
        broken = _broken(member, (*path, step), protocol)
        yield from (item for item in broken if not is_text or item[1] != "type")
        if shape.type_name == "map" and not is_text:
            yield from _broken(shape.key, (*path, "{key}"), protocol)


def _broken_values(shape: Shape, path: Path, protocol: str) -> Iterator[tuple[str, Any]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind, location = shape.type_name, shape.serialization.get("location")
    in_query = protocol in ("query", "ec2")
    if kind in _NUMBERS:
        yield from (("range", limit + step) for limit, step in ((low, -1), (high, 1)) if limit is not None)
    elif kind == "string":
        yield from _broken_texts(shape, low, high, location)
    elif kind == "list":
        item = least(shape.member)
        if low and not in_query and location is None:
            yield "length", []
        if high is not None and high < _MAX_LENGTH and (item or not in_query):
            yield "length", [item] * (high + 1)
    # botocore sends no value of another type for the other shapes.
    in_json = protocol in ("json", "rest-json") and location is None and path[-1:] != ("{key}",)
    if kind == "integer" or (kind == "boolean" and in_json):
        yield "type", "abc"
    elif kind == "string" and in_json:
        yield "type", ["text"]


def _broken_texts(
    shape: Shape, low: int | None, high: int | None, location: str | None
) -> Iterator[tuple[str, Any]]:
    if getattr(shape, "enum", None):
        yield "enum", "No-Such-Value"
    # An empty value in a path is a request for another operation, and an empty header is none.
    if low and location is None:
        yield "length", "x" * (low - 1)
    if high is not None and high < _MAX_LENGTH:
        yield "length", "x" * (high + 1)
    if pattern := shape.metadata.get("pattern"):
        fits = [text for text in _STRANGE if location is None or text.isprintable()]
        yield from [("pattern", text) for text in fits if not compiled(pattern).fullmatch(text)][:1]


def least(shape: Shape) -> Any:
    """A minimal value of a shape."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [least(shape.member)] * (shape.metadata.get("min") or 0)
    if shape.type_name == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        return "x" * max(3, shape.metadata.get("min") or 0)
    simple: dict[str, Any] = {"map": {}, "boolean": True, "blob": b"", "timestamp": 0}
    return simple.get(shape.type_name, shape.metadata.get("min") or 1)


def _with(shape: Shape, path: Path, value: Any) -> Any:
    """A minimal value of a shape, with `value` at `path`."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step == "[]":
        return [_with(shape.member, rest, value)]
    if step == "{key}":
        return {value: least(shape.value)}
    if step == "{}":
        return {"k": _with(shape.value, rest, value)}
    result = least(shape)
    result[step] = _with(shape.members[step], rest, value)
    if result[step] is ABSENT:
        del result[step]
    return result
