"""Requests: what the gateway must understand of them, and what it checks before a model is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.errors import InvalidRequestError


@dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion.

    Attributes:
        model: the model's name or alias, as the client wrote it.
        stream: whether the client wants chunks as they come.
        include_usage: whether a streaming client wants the token counts.
        body: the whole request; fields that are not checked here are for the engine to judge.
    """

    model: str
    stream: bool
    include_usage: bool
    body: dict[str, Any]

    @classmethod
    def parse(cls, body: bytes) -> ChatRequest:
        """The request in the HTTP body `body`.

        Raises:
            InvalidRequestError: it is not valid; `param` names the place.
        """
        document = _json_object(body)
        model = document.get("model")
        if not isinstance(model, str) or not model:
            raise _invalid("model", "a model's name", model)
        _check_messages(document.get("messages"))
        stream = document.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise _invalid("stream", "true or false", stream)
        return cls(model, bool(stream), _include_usage(document, bool(stream)), document)

    def engine_body(self) -> bytes:
        """What the engine is asked: always to stream, and always to count tokens.

        The model's name is left out: the endpoint serves one model, and engines refuse names that
        are not their own.
        """
        asked = {key: value for key, value in self.body.items() if key != "model"}
        asked["stream"] = True
        asked["stream_options"] = {**(asked.get("stream_options") or {}), "include_usage": True}
        return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The request's body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise InvalidRequestError("The request's body must be a JSON object.")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages", "an array of at least one message", messages)
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict):
            raise _invalid(where, "an object with 'role' and 'content'", message)
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise _invalid(f"{where}.role", "a role such as 'user'", message.get("role"))
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise _invalid(f"{where}.content", "a string or an array of content parts", content)


def _include_usage(document: dict[str, Any], stream: bool) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise _invalid("stream_options", "an object", options)
    if not stream:
        raise InvalidRequestError("'stream_options' needs 'stream': true.", param="stream_options")
    return bool(options.get("include_usage"))


def _invalid(param: str, wanted: str, value: object) -> InvalidRequestError:
    if value is None:
        return InvalidRequestError(f"'{param}' is missing: it must be {wanted}.", param=param)
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    kind = "empty" if value in ([], "", {}) else kinds.get(type(value), "a number")
    return InvalidRequestError(f"'{param}' is {kind}: it must be {wanted}.", param=param)
