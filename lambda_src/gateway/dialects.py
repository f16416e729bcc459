"""The ways engines frame an answer: server-sent events, JSON lines, or one JSON document.

SageMaker hands the answer on in parts that end anywhere, also inside a character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.errors import ModelError

Document = dict[str, Any]
# What OpenAI's dialect ends a stream with; None here, so that a stream's end is told from its content.
DONE: Final = None
_DONE_MARK: Final = b"[DONE]"
# Old llama.cpp servers report a failure in a field of its own.
_DATA_FIELDS: Final = (b"data", b"error")
_OTHER_FIELDS: Final = (b"event", b"id", b"retry", b"")


def documents(parts: Iterable[bytes]) -> Iterator[Document | None]:
    """The JSON objects in an answer, and `DONE` where the engine said so.

    Args:
        parts: the answer's bytes, split anywhere.

    Raises:
        ModelError: the answer is not JSON, or ends in the middle of it.
    """
    data: list[bytes] = []
    text: list[bytes] = []
    for line in _lines(parts):
        field, _, value = line.partition(b":")
        if not line.strip():
            if data:
                yield _decode(b"\n".join(data))
                data = []
        elif field in _DATA_FIELDS:
            data.append(value.removeprefix(b" "))
        elif field not in _OTHER_FIELDS:
            text.append(line)
            # An object may span lines; only where a bracket closes can it be whole.
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
        raise ModelError(cause=f"answer of {len(data)} bytes is not a whole JSON object")
    return document


def _try_decode(data: bytes) -> Document | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
