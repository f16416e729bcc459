"""How engines frame a response: server-sent events, JSON lines, or one JSON document.

SageMaker splits the response anywhere, even inside a character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.errors import ModelError

Document = dict[str, Any]
# The end of a stream in OpenAI's dialect; None distinguishes it from content.
DONE: Final = None
_DONE_MARK: Final = b"[DONE]"
# Old llama.cpp servers report errors in a separate field.
_DATA_FIELDS: Final = (b"data", b"error")
_OTHER_FIELDS: Final = (b"event", b"id", b"retry", b"")


def documents(parts: Iterable[bytes]) -> Iterator[Document | None]:
    """The JSON objects of a response, and `DONE` where the engine marks its end.

    Args:
        parts: the response's bytes, split anywhere.

    Raises:
        ModelError: the response is not JSON, or ends inside an object.
    """
    data: list[bytes] = []
    text: list[bytes] = []
    for line in _lines(parts):
        field, _, value = line.partition(b":")
        if not line.strip():
            # llama.cpp begins the responses to several prompts with `null`.
            if data and data != [b"null"]:
                yield _decode(b"\n".join(data))
            data = []
        elif field in _DATA_FIELDS:
            data.append(value.removeprefix(b" "))
        elif field not in _OTHER_FIELDS:
            text.append(line)
            # An object may span lines; it can only be complete where a bracket closes.
            if line.rstrip().endswith(b"}") and (document := _try_decode(b"\n".join(text))) is not None:
                yield document
                text = []
    for rest in (data, text):
        if rest:
            yield _decode(b"\n".join(rest))


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for part in parts:
        *complete, rest = part.split(b"\n")
        for line in complete:
            yield b"".join([*pending, line])
            pending = []
        if rest:
            pending.append(rest)
    if pending:
        yield b"".join(pending)


def _decode(data: bytes) -> Document | None:
    if data.strip() == _DONE_MARK:
        return DONE
    document = _try_decode(data)
    if document is None:
        raise ModelError(cause=f"response of {len(data)} bytes is not a complete JSON object")
    return document


def _try_decode(data: bytes) -> Document | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
