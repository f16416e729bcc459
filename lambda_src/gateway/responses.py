"""Answers that take their time, as HTTP responses that show a sign of life meanwhile.

A line on which nothing is sent is cut: by API Gateway after 5 minutes, by many a proxy after one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.answer import Answer
from gateway.chunks import Chunk
from gateway.errors import ApiError, InternalError
from gateway.requestlog import RequestRecord
from gateway.schema import GenerationRequest
from gateway.service import shown_to_streaming_client

FALLBACK_HEADER: Final = "x-fallback-model"
_KEEPALIVE: Final = b": keep-alive\n\n"


def headers_of(answer: Answer) -> dict[str, str]:
    """What is said of an answer beside its body."""
    return {FALLBACK_HEADER: answer.model} if answer.fallback is not None else {}


class _Slow(StreamingResponse):
    """Stops the model when it ends, also because the client has gone."""

    def __init__(self, answer: Answer, content: AsyncIterator[bytes], media_type: str) -> None:
        self._answer = answer
        headers = {"cache-control": "no-cache", **headers_of(answer)}
        super().__init__(content, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()


class EventStream(_Slow):
    """Server-sent events.

    Args:
        request: what was asked.
        answer: where the chunks come from.
        first: the first chunk; None if there is none yet.
        chunks: the others; None where none came for a while.
        record: is told of errors.
    """

    def __init__(
        self,
        request: GenerationRequest,
        answer: Answer,
        first: Chunk | None,
        chunks: AsyncIterator[Chunk | None],
        record: RequestRecord,
    ) -> None:
        self._request = request
        self._chunks = chunks
        self._record = record
        super().__init__(answer, self._events(first), "text/event-stream")

    async def _events(self, first: Chunk | None) -> AsyncIterator[bytes]:
        try:
            yield self._event(first)
            async for chunk in self._chunks:
                yield self._event(chunk)
        except ApiError as error:
            self._record.error = error
            yield _event(error.body())
        except Exception as error:  # noqa: BLE001 - the status is sent; an event is all that can still tell
            self._record.error = error
            yield _event(InternalError().body())
        else:
            yield b"data: [DONE]\n\n"

    def _event(self, chunk: Chunk | None) -> bytes:
        if chunk is None:
            return _KEEPALIVE
        self._record.said(chunk)
        shown = shown_to_streaming_client(chunk, self._request)
        return b"" if shown is None else _event(shown)


class LateJson(_Slow):
    """A whole answer on which the model is still at work, behind white space that JSON allows.

    The status is sent before the answer is known. If it then fails, the connection breaks off: no client
    can take that for a success.
    """

    def __init__(
        self,
        answer: Answer,
        whole: asyncio.Future[dict[str, Any]],
        idle_seconds: float,
        record: RequestRecord,
    ) -> None:
        self._whole = whole
        self._idle_seconds = idle_seconds
        self._record = record
        super().__init__(answer, self._padded(), "application/json")

    async def _padded(self) -> AsyncIterator[bytes]:
        try:
            while not self._whole.done():
                yield b" "
                await asyncio.wait({self._whole}, timeout=self._idle_seconds)
            yield encoded(self._whole.result())
        except ApiError as error:
            self._record.error = error
            raise
        finally:
            self._whole.cancel()


def encoded(document: dict[str, Any]) -> bytes:
    """A document as JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + encoded(document) + b"\n\n"
