"""Validation of the members of a request that the gateway itself uses.

Each function raises InvalidRequestError, which names the invalid member.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from gateway.errors import InvalidRequestError

# SageMaker's containers distinguish the operations by these members.
_INPUTS: Final = ("messages", "prompt", "input")


def json_object(body: bytes) -> dict[str, Any]:
    """Parse an HTTP body that must be a JSON object."""
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The request body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def model(document: dict[str, Any]) -> str:
    """The model's name or alias."""
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("model", "the name of a model", model)
    return model


def check_input(document: dict[str, Any], name: str) -> None:
    """Check the prompt, which is the member `name`, and refuse prompts of other operations."""
    for other in _INPUTS:
        if other != name and document.get(other) is not None:
            raise InvalidRequestError(f"'{other}' is not supported here; use '{name}'.", param=other)
    if name == "messages":
        _check_messages(document.get(name))
    else:
        _check_text(name, document.get(name))


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "an array of at least one message", messages)
    for index, message in enumerate(messages):
        location = f"messages[{index}]"
        if not isinstance(message, dict):
            raise invalid(location, "an object with 'role' and 'content'", message)
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise invalid(f"{location}.role", "a role such as 'user'", message.get("role"))
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise invalid(f"{location}.content", "a string or an array of content parts", content)


def _check_text(name: str, value: object) -> None:
    """Check a text, token numbers, or an array of either."""
    if isinstance(value, str) and value:
        return
    if not isinstance(value, list) or not value:
        raise invalid(name, "a string or an array of strings or token numbers", value)
    if not (_all(value, str) or _all(value, int) or all(_is_tokens(item) for item in value)):
        raise InvalidRequestError(
            f"'{name}' must contain strings, token numbers, or arrays of token numbers.", param=name
        )


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and _all(value, int)


def _all(items: list[Any], kind: type) -> bool:
    return all(isinstance(item, kind) and not isinstance(item, bool) for item in items)


def check_count(name: str, value: object) -> None:
    """Check a number of tokens, unless it is absent."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return
    raise InvalidRequestError(f"'{name}' must be an integer of at least 0.", param=name)


def stream(document: dict[str, Any]) -> bool:
    """Whether the client wants a stream."""
    value = document.get("stream")
    if value is not None and not isinstance(value, bool):
        raise invalid("stream", "true or false", value)
    return bool(value)


def include_usage(document: dict[str, Any]) -> bool:
    """Whether a streaming client wants token counts."""
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise invalid("stream_options", "an object", options)
    if not stream(document):
        raise InvalidRequestError("'stream_options' requires 'stream': true.", param="stream_options")
    return bool(options.get("include_usage"))


def invalid(param: str, expected: str, value: object) -> InvalidRequestError:
    """The error for a member `param` that is `value`."""
    if value is None:
        return InvalidRequestError(f"'{param}' is missing: it must be {expected}.", param=param)
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    kind = "empty" if value in ([], "", {}) else kinds.get(type(value), "a number")
    return InvalidRequestError(f"'{param}' is {kind}: it must be {expected}.", param=param)
