"""Streamed chat completions as they arrive, with the time of each part."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from botocore.eventstream import EventStreamBuffer, ParserError
from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from toolkit import documents
from toolkit.chat.completions import Chunk, Usage

Framing = Literal["sse", "eventstream", "whole"]
# Not toolkit.documents: it parses twice, and this runs for each token.
_CHUNK: Final = TypeAdapter(Chunk)
_MOST_ERROR_BYTES: Final = 65_536
_LONGEST_REASON: Final = 100
_DAMAGED_EVENT: Final = (ParserError, ValueError, LookupError, struct.error)
# `Server-Timing: gateway;dur=1.5, model;dur=210` (W3C), times in milliseconds.
_TIMING: Final = re.compile(r"([A-Za-z_-]+)\s*;\s*dur=([0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True)
class _Error:
    code: str | int | None = None
    type: str | None = None
    message: str = ""


@dataclass(frozen=True)
class _ErrorBody:
    error: _Error | None = None
    # The SageMaker runtime writes it with a capital.
    message: Annotated[str | None, Field(validation_alias=AliasChoices("message", "Message"))] = None


@dataclass
class Reply:
    """The response to one request; receives it from `toolkit.bench.http`.

    Args:
        framing: `sse` for server-sent events, `eventstream` for those in the payloads of AWS's event stream,
            `whole` for a response that is not streamed, whose content is not read.

    Attributes:
        status: of the response; 0 until it arrives.
        arrivals: times of the parts with text, of `time.perf_counter`.
        ended: the time of the last byte; None before.
        usage: the server's token counts.
        text: the text of the response, without the model's reasoning.
        server: time by hop in seconds, as the header `Server-Timing` reports it.
        model: the model that responded.
        fingerprint: the engine's configuration, as its `system_fingerprint` names it.
    """

    framing: Framing = "sse"
    status: int = 0
    arrivals: list[float] = field(default_factory=list)
    ended: float | None = None
    usage: Usage | None = None
    server: Mapping[str, float] | None = None
    model: str | None = None
    fingerprint: str | None = None
    _text: list[str] = field(default_factory=list)
    _error_type: str = ""
    _failure: str | None = None
    _damaged: bool = False
    _done: bool = False
    _finished: bool = False
    _rest: bytes = b""
    _body: bytes = b""

    def __post_init__(self) -> None:
        self._events = EventStreamBuffer()

    @property
    def text(self) -> str:
        """The text of the response."""
        return "".join(self._text)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Receive status and headers."""
        self.status = status
        self._error_type = headers.get("x-amzn-errortype", "").partition(":")[0]
        if timing := headers.get("server-timing"):
            self.server = {name: float(value) / 1000 for name, value in _TIMING.findall(timing)}

    def part(self, at: float, data: bytes) -> None:
        """Receive bytes of the body."""
        if self.status != 200:
            self._body = (self._body + data)[:_MOST_ERROR_BYTES]
            return
        if self.framing == "whole":
            self.arrivals.append(at)
            return
        for payload in self._payloads(data):
            *lines, self._rest = (self._rest + payload).split(b"\n")
            for line in lines:
                self._add(at, line.strip())

    def end(self, at: float) -> None:
        """Receive the end of the body."""
        self.ended = at
        self._finished = self._finished or self.framing == "whole"

    def error(self) -> str | None:
        """Why the request failed, after its end; None if it succeeded."""
        if self.status != 200:
            return _short(f"HTTP {self.status} {self._reason()}")
        if self._failure is not None:
            return _short(self._failure)
        if not self._done and not self._finished:
            return "the stream ended early"
        return None

    def _payloads(self, data: bytes) -> Iterator[bytes]:
        if self.framing == "sse":
            yield data
            return
        if self._damaged:
            return
        try:
            self._events.add_data(data)
            events: list[Any] = list(self._events)
        except _DAMAGED_EVENT as error:
            self._damaged = True
            self._failure = self._failure or f"an event of the stream is damaged: {error}"
            return
        for event in events:
            headers = event.headers
            if headers.get(":message-type") == "event":
                yield event.payload
            else:
                kind = headers.get(":exception-type") or headers.get(":error-code") or "error"
                self._failure = self._failure or f"{kind} in the stream"

    def _add(self, at: float, line: bytes) -> None:
        # Some engines stream lines of JSON without a field name.
        is_event = line.startswith((b"data:", b"error:"))
        if not is_event and not line.startswith(b"{"):
            return
        data = line.partition(b":")[2].strip() if is_event else line
        if data == b"[DONE]":
            self._done = True
            return
        try:
            chunk = _CHUNK.validate_json(data)
        except ValidationError:
            self._failure = self._failure or "an event is not a completion chunk"
            return
        if chunk.error is not None:
            self._failure = self._failure or f"error in the stream: {chunk.error.code or chunk.error.message}"
        self.usage = chunk.usage or self.usage
        self.model = chunk.model or self.model
        self.fingerprint = chunk.system_fingerprint or self.fingerprint
        self._finished = self._finished or chunk.finish_reason is not None
        text = chunk.text
        if text or chunk.reasoning:
            self.arrivals.append(at)
            self._text.append(text)

    @property
    def message(self) -> str:
        """The server's own message of an error."""
        body = self._error_body()
        return body.error.message if body.error is not None else body.message or ""

    def _error_body(self) -> _ErrorBody:
        try:
            return documents.parse(self._body, _ErrorBody)
        except documents.DamagedError:
            return _ErrorBody()

    def _reason(self) -> str:
        """A short name of the error, the same for all errors of its kind."""
        body = self._error_body()
        if body.error is not None:
            return str(body.error.code or body.error.type or "")
        return self._error_type or (body.message or "")[:60]


def _short(reason: str) -> str:
    """One line that fits a report; the rest of it is the server's."""
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
