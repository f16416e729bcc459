"""HTTP responses from a model's response, kept alive while the model is slow.

API Gateway closes a connection after 5 minutes without data, many proxies after one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.chunks import Chunk
from gateway.errors import ApiError, InternalError
from gateway.model_response import ModelResponse
from gateway.request_log import RequestRecord
from gateway.schema import encode
from gateway.threads import iterate

T = TypeVar("T")
FALLBACK_HEADER: Final = "x-fallback-model"
_KEEPALIVE: Final = b": keep-alive\n\n"


async def stream_response(request: Request, response: ModelResponse, *, include_usage: bool) -> Response:
    """A model's response as server-sent events.

    Waits for the first chunk, but for the keep-alive time at most: a failure until then gets its own status.

    Args:
        request: the client's request.
        response: the model's response, not yet started.
        include_usage: whether the client asked for token counts.

    Raises:
        ApiError: the model failed before its first chunk.
        ClientDisconnect: the client disconnected.
    """
    chunks = iterate(response, request.app.state.settings.keepalive_seconds)
    async with _DisconnectWatch(request, response) as watch:
        first = asyncio.ensure_future(anext(chunks))
        await watch.wait(first, None)
    return EventStream(response, first.result(), chunks, request.state.record, include_usage)


async def whole_response(
    request: Request,
    response: ModelResponse,
    assemble: Callable[[list[dict[str, Any]]], dict[str, Any]],
) -> Response:
    """A model's response as one JSON document.

    Args:
        request: the client's request.
        response: the model's response, not yet started.
        assemble: makes the document from all chunks.

    Raises:
        ApiError: the model failed before its first token.
        ClientDisconnect: the client disconnected.
    """
    record: RequestRecord = request.state.record
    idle_seconds = request.app.state.settings.keepalive_seconds

    async def collect() -> dict[str, Any]:
        chunks = []
        async for chunk in iterate(response, idle_seconds):
            if chunk is not None:
                record.add_chunk(chunk)
                chunks.append(chunk)
        return assemble(chunks)

    document = asyncio.ensure_future(collect())
    async with _DisconnectWatch(request, response) as watch:
        while not await watch.wait(document, idle_seconds):
            # Models rarely fail after the first token, and until then no client has waited long.
            if response.first_token_at is not None:
                return PaddedJson(response, document, idle_seconds, record)
    return Response(encode(document.result()), headers=_headers(response), media_type="application/json")


def _headers(response: ModelResponse) -> dict[str, str]:
    return {FALLBACK_HEADER: response.model} if response.fallback is not None else {}


class _DisconnectWatch:
    """Stops the model if the client disconnects while the gateway waits for it."""

    def __init__(self, request: Request, response: ModelResponse) -> None:
        self._request = request
        self._response = response

    async def __aenter__(self) -> _DisconnectWatch:
        self._disconnected = asyncio.ensure_future(_disconnect(self._request.receive))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._disconnected.cancel()

    async def wait(self, work: asyncio.Future[T], seconds: float | None) -> bool:
        """Whether `work` is done after at most `seconds`.

        Raises:
            ClientDisconnect: the client disconnected first.
        """
        futures: set[asyncio.Future[Any]] = {work, self._disconnected}
        await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._disconnected.done() and not work.done():
            work.cancel()
            self._response.close()
            raise ClientDisconnect
        return work.done()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class _SlowResponse(StreamingResponse):
    """Stops the model when the response ends, including when the client disconnects."""

    def __init__(self, response: ModelResponse, content: AsyncIterator[bytes], media_type: str) -> None:
        self._response = response
        headers = {"cache-control": "no-cache", **_headers(response)}
        super().__init__(content, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._response.close()


class EventStream(_SlowResponse):
    """Server-sent events.

    Args:
        response: the source of the chunks.
        first: the first chunk; None if there is none yet.
        chunks: the other chunks; None each time none came for the keep-alive time.
        record: gets the chunks and the error.
        include_usage: whether the client asked for token counts.
    """

    def __init__(
        self,
        response: ModelResponse,
        first: Chunk | None,
        chunks: AsyncIterator[Chunk | None],
        record: RequestRecord,
        include_usage: bool,
    ) -> None:
        self._chunks = chunks
        self._record = record
        self._include_usage = include_usage
        super().__init__(response, self._events(first), "text/event-stream")

    async def _events(self, first: Chunk | None) -> AsyncIterator[bytes]:
        try:
            yield self._event(first)
            async for chunk in self._chunks:
                yield self._event(chunk)
        except ApiError as error:
            self._record.error = error
            yield _event(error.body())
        except Exception as error:  # noqa: BLE001 - the status is sent; only an event can report it now
            self._record.error = error
            yield _event(InternalError().body())
        else:
            yield b"data: [DONE]\n\n"

    def _event(self, chunk: Chunk | None) -> bytes:
        if chunk is None:
            return _KEEPALIVE
        self._record.add_chunk(chunk)
        if self._include_usage:
            return _event(chunk)
        # A chunk with nothing but token counts is not sent.
        return _event({key: chunk[key] for key in chunk if key != "usage"}) if chunk["choices"] else b""


class PaddedJson(_SlowResponse):
    """One JSON document that the model has not finished, preceded by white space, which JSON allows.

    The status is sent before the outcome is known. If the model then fails, the connection is closed, so that
    no client mistakes it for a success.
    """

    def __init__(
        self,
        response: ModelResponse,
        document: asyncio.Future[dict[str, Any]],
        idle_seconds: float,
        record: RequestRecord,
    ) -> None:
        self._document = document
        self._idle_seconds = idle_seconds
        self._record = record
        super().__init__(response, self._padded(), "application/json")

    async def _padded(self) -> AsyncIterator[bytes]:
        try:
            while not self._document.done():
                yield b" "
                await asyncio.wait({self._document}, timeout=self._idle_seconds)
            yield encode(self._document.result())
        except ApiError as error:
            self._record.error = error
            raise
        finally:
            self._document.cancel()


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + encode(document) + b"\n\n"
