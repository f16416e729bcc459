"""Translated requests, and errors in the client's own names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.chunks import CHAT
from gateway.contract import conforming
from gateway.errors import InvalidRequestError
from gateway.schema import GenerationRequest


def translated(chat: dict[str, Any], size: int, param: str) -> GenerationRequest:
    """The request for a chat completion that a request of another API was translated to.

    Args:
        chat: the chat completion.
        size: of the JSON that the client sent, in bytes.
        param: the member of the client's request that holds the prompt.

    Raises:
        InvalidRequestError: it is not valid; `param` names the member of the chat completion.
    """
    if chat.get("n", 1) != 1:
        raise InvalidRequestError("'n' is not supported: the API returns one response.", param="n")
    return GenerationRequest.create(conforming(chat, CHAT.request), CHAT, size, param)


@contextmanager
def renamed(params: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Errors about members of a chat completion name those that the client sent.

    Args:
        params: regular expressions for members of chat completions, and their replacements.
    """
    try:
        yield
    except InvalidRequestError as error:
        if error.param is None:
            raise
        name = error.param
        for pattern, replacement in params:
            name = re.sub(pattern, replacement, name)
        error.message = error.message.replace(f"'{error.param}'", f"'{name}'")
        error.param = name
        raise
