"""Whether a request is one: what the gateway itself needs of it, or would break on.

Each function raises InvalidRequestError, which names the member at fault.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from gateway.errors import InvalidRequestError

# What SageMaker's containers tell the operations by.
_INPUTS: Final = ("messages", "prompt", "input")


def json_object(body: bytes) -> dict[str, Any]:
    """The object in an HTTP body."""
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The request's body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise InvalidRequestError("The request's body must be a JSON object.")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def model(document: dict[str, Any]) -> str:
    """The model's name or alias."""
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("model", "a model's name", model)
    return model


def check_input(document: dict[str, Any], name: str) -> None:
    """The prompt, which is the member `name`, and nothing that belongs to another operation."""
    for other in _INPUTS:
        if other != name and document.get(other) is not None:
            raise InvalidRequestError(f"'{other}' does not belong here, '{name}' does.", param=other)
    if name == "messages":
        _check_messages(document.get(name))
    else:
        _check_text(name, document.get(name))


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "an array of at least one message", messages)
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict):
            raise invalid(where, "an object with 'role' and 'content'", message)
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise invalid(f"{where}.role", "a role such as 'user'", message.get("role"))
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise invalid(f"{where}.content", "a string or an array of content parts", content)


def _check_text(name: str, given: object) -> None:
    """A text, token numbers, or an array of either."""
    if isinstance(given, str) and given:
        return
    if not isinstance(given, list) or not given:
        raise invalid(name, "a string or an array of strings or of token numbers", given)
    if not (_all(given, str) or _all(given, int) or all(_is_tokens(each) for each in given)):
        raise InvalidRequestError(
            f"'{name}' must hold strings, or token numbers, or arrays of token numbers.", param=name
        )


def _is_tokens(given: object) -> bool:
    return isinstance(given, list) and bool(given) and _all(given, int)


def _all(given: list[Any], kind: type) -> bool:
    return all(isinstance(each, kind) and not isinstance(each, bool) for each in given)


def check_count(name: str, value: object) -> None:
    """A number of tokens, if it is given."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return
    raise InvalidRequestError(f"'{name}' must be a whole number, 0 or more.", param=name)


def stream(document: dict[str, Any]) -> bool:
    """Whether the client wants a stream."""
    given = document.get("stream")
    if given is not None and not isinstance(given, bool):
        raise invalid("stream", "true or false", given)
    return bool(given)


def include_usage(document: dict[str, Any]) -> bool:
    """Whether a streaming client wants the token counts."""
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise invalid("stream_options", "an object", options)
    if not stream(document):
        raise InvalidRequestError("'stream_options' needs 'stream': true.", param="stream_options")
    return bool(options.get("include_usage"))


def invalid(param: str, wanted: str, value: object) -> InvalidRequestError:
    """The error for a member `param` that is `value`."""
    if value is None:
        return InvalidRequestError(f"'{param}' is missing: it must be {wanted}.", param=param)
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    kind = "empty" if value in ([], "", {}) else kinds.get(type(value), "a number")
    return InvalidRequestError(f"'{param}' is {kind}: it must be {wanted}.", param=param)
