"""How engines frame a response: server-sent events, JSON lines, or one JSON document.

SageMaker splits the response anywhere, even inside a character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import ModelError

Document = dict[str, Any]
# The end of a stream in OpenAI's dialect; None distinguishes it from content.
DONE: Final = None
_DONE_MARK: Final = b"[DONE]"
# Old llama.cpp servers report errors in a separate field.
_DATA_FIELDS: Final = (b"data", b"error")
_OTHER_FIELDS: Final = (b"event", b"id", b"retry", b"")


class Documents:
    """Bytes of a response, split anywhere → its JSON objects, and `DONE` where the engine marks its end."""

    def __init__(self) -> None:
        # Parts of a line, fields of an event, and lines of an object without an event.
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._text: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[Document | None]:
        """The objects that `part` completes.

        Raises:
            ModelError: the response is not JSON.
        """
        *lines, rest = part.split(b"\n")
        if lines and self._line:
            lines[0] = b"".join([*self._line, lines[0]])
            self._line = []
        if rest:
            self._line.append(rest)
        for line in lines:
            yield from self._add(line)

    def end(self) -> Iterator[Document | None]:
        """The objects that the end of the response completes.

        Raises:
            ModelError: the response ends inside an object.
        """
        if self._line:
            yield from self._add(b"".join(self._line))
        for rest in (self._data, self._text):
            if rest:
                yield _decode(b"\n".join(rest))

    def _add(self, line: bytes) -> tuple[Document | None, ...]:
        field, _, value = line.partition(b":")
        if not line.strip():
            data, self._data = self._data, []
            # llama.cpp begins the responses to several prompts with `null`.
            return (_decode(b"\n".join(data)),) if data and data != [b"null"] else ()
        if field in _DATA_FIELDS:
            self._data.append(value.removeprefix(b" "))
        elif field not in _OTHER_FIELDS:
            self._text.append(line)
            # An object may span lines; it can only be complete where a bracket closes.
            if line.rstrip().endswith(b"}") and (document := _try_decode(b"\n".join(self._text))) is not None:
                self._text = []
                return (document,)
        return ()


def _decode(data: bytes) -> Document | None:
    if data.strip() == _DONE_MARK:
        return DONE
    document = _try_decode(data)
    if document is None:
        raise ModelError(cause=f"response of {len(data)} bytes is not a complete JSON object")
    return document


def _try_decode(data: bytes) -> Document | None:
    try:
        # Decoded here: `json.loads` would search for the encoding of each object.
        document = json.loads(str(data, "utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
