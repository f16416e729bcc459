"""Parsing of HTTP bodies, and what the contract cannot say about their members."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from gateway.contract import conforming
from gateway.errors import InvalidRequestError

# SageMaker's containers distinguish the operations by these members.
_INPUTS: Final = ("messages", "prompt", "input")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes, schema: str, param: str) -> dict[str, Any]:
    """Parse an HTTP body, and check it against the contract.

    Args:
        body: as the client sent it.
        schema: name of the request's schema in the contract.
        param: the member with the prompt.

    Raises:
        InvalidRequestError: it is not valid; `param` names the member.
    """
    document = load(body)
    for other in _INPUTS:
        if other != param and document.get(other) is not None:
            raise InvalidRequestError(f"'{other}' is not supported here; use '{param}'.", param=other)
    checked: dict[str, Any] = conforming(document, schema)
    return checked


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in an HTTP body.

    Raises:
        InvalidRequestError: it is not valid JSON, or has something that no engine accepts.
    """
    try:
        document = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidRequestError(
            "The request body is not valid JSON, or has a number that is too large."
        ) from None
    if not isinstance(document, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    if _SURROGATE.search(body):
        _refuse_surrogates(document)
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse_surrogates(document: dict[str, Any]) -> None:
    """Refuse halves of surrogate pairs, which no engine accepts: they are not characters."""
    for location, text in _texts(document, ""):
        try:
            text.encode()
        except UnicodeEncodeError:
            path = location.encode("ascii", "backslashreplace").decode()
            raise InvalidRequestError(
                f"'{path}' has an unpaired surrogate: it must be valid Unicode.", param=path
            ) from None


def _texts(value: Any, location: str) -> Iterator[tuple[str, str]]:
    """All strings of a document, the names of members included, with their paths."""
    if isinstance(value, str):
        yield location, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{location}[{index}]")
    elif isinstance(value, dict):
        for name, member in value.items():
            path = f"{location}.{name}" if location else name
            yield path, name
            yield from _texts(member, path)


def include_usage(document: dict[str, Any]) -> bool:
    """Whether a streaming client wants token counts."""
    options = document.get("stream_options")
    if options is None:
        return False
    if not document.get("stream"):
        raise InvalidRequestError("'stream_options' requires 'stream': true.", param="stream_options")
    return bool(options.get("include_usage"))


def add_empty_content(document: dict[str, Any]) -> None:
    """Add the contents that were null: llama.cpp refuses messages with neither content nor tool calls."""
    for message in document["messages"]:
        if message["role"] in ("assistant", "function") and not message.get("tool_calls"):
            message.setdefault("content", "")


def check_tools(document: dict[str, Any]) -> None:
    """Check that the tool which the model must call exists."""
    names = [tool["function"]["name"] for tool in document.get("tools") or ()]
    choice = document.get("tool_choice")
    if choice not in (None, "none", "auto") and not names:
        raise InvalidRequestError("'tool_choice' requires 'tools'.", param="tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise InvalidRequestError("'tool_choice' names a tool that is not in 'tools'.", param="tool_choice")
    if document.get("top_logprobs") is not None and not document.get("logprobs"):
        raise InvalidRequestError("'top_logprobs' requires 'logprobs': true.", param="top_logprobs")
