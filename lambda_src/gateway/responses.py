"""HTTP responses from a model's response, kept alive while the model is slow.

API Gateway closes a connection after 5 minutes without data, many proxies after one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.chunks import Chunk
from gateway.errors import ApiError, InternalError
from gateway.model_response import ModelResponse
from gateway.request_log import RequestRecord
from gateway.schema import encode

Assemble = Callable[[list[Chunk]], dict[str, Any]]
FALLBACK_HEADER: Final = "x-fallback-model"
_KEEPALIVE: Final = b": keep-alive\n\n"


class Writer(Protocol):
    """Writes a response in the shape of one API."""

    def whole(self, chunks: Iterable[Chunk]) -> dict[str, Any]:
        """The response as one document."""

    def feed(self, chunk: Chunk) -> bytes:
        """The events that a chunk brings."""

    def end(self) -> bytes:
        """The events at the end of the response."""

    def failure(self, error: ApiError) -> bytes:
        """The event that reports an error after the status has been sent."""


async def stream_response(request: Request, response: ModelResponse, writer: Writer) -> Response:
    """A model's response as server-sent events.

    Waits for the first chunk, but for the keep-alive time at most: a failure until then gets its own status.

    Args:
        request: the client's request.
        response: the model's response, not yet started.
        writer: of its events.

    Raises:
        ApiError: the model failed before its first chunk.
        ClientDisconnect: the client disconnected.
    """
    delivery = _Delivery(request, response)
    async with delivery.ended_on_error():
        first = await anext(delivery.batches, None)
        delivery.check()
    return EventStream(delivery, first, writer)


async def whole_response(request: Request, response: ModelResponse, assemble: Assemble) -> Response:
    """A model's response as one JSON document.

    Args:
        request: the client's request.
        response: the model's response, not yet started.
        assemble: makes the document from all chunks.

    Raises:
        ApiError: the model failed before its first token.
        ClientDisconnect: the client disconnected.
    """
    delivery = _Delivery(request, response, steady=True)
    chunks: list[Chunk] = []
    async with delivery.ended_on_error():
        async for batch in delivery.batches:
            if batch is not None:
                delivery.record.add_chunks(batch)
                chunks += batch
            elif response.first_token_at is not None:
                # Models rarely fail after the first token, and until then no client has waited long.
                return PaddedJson(delivery, chunks, assemble)
        delivery.check()
    await delivery.end()
    headers = _headers(delivery.record, response)
    return Response(encode(assemble(chunks)), headers=headers, media_type="application/json")


def _headers(record: RequestRecord, response: ModelResponse) -> dict[str, str]:
    """Headers about the model, and how long gateway and model took until now (W3C, Server Timing).

    The head of a stream leaves with its first chunk, so its times are those of the first token.
    """
    now = time.monotonic()
    invoked_at = now if response.invoked_at is None else response.invoked_at
    times = f"gateway;dur={_milliseconds(invoked_at - record.started_at)}"
    if response.chunk_count:
        times += f", model;dur={_milliseconds(now - invoked_at)}"
    fallback = {FALLBACK_HEADER: response.model} if response.fallback is not None else {}
    return {**fallback, "server-timing": times}


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


class _Delivery:
    """A model's response on its way to the client: if the client disconnects, the model is stopped.

    Args:
        request: the client's request.
        response: the model's response, not yet started.
        steady: see `ModelResponse.batches`.

    Attributes:
        response: the model's response.
        batches: its chunks.
        record: gets the chunks and the error.
    """

    def __init__(self, request: Request, response: ModelResponse, *, steady: bool = False) -> None:
        self.response = response
        self.batches = response.batches(request.app.state.settings.keepalive_seconds, steady=steady)
        self.record: RequestRecord = request.state.record
        self._watch = asyncio.ensure_future(self._close_on_disconnect(request.receive))

    async def _close_on_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self.response.close()

    def check(self) -> None:
        """Raise ClientDisconnect if the client has disconnected."""
        if self.response.closed:
            raise ClientDisconnect

    @asynccontextmanager
    async def ended_on_error(self) -> AsyncIterator[None]:
        """End the delivery if the context raises an error."""
        try:
            yield
        except BaseException:
            await self.end()
            raise

    async def end(self) -> None:
        """Stop watching the client, and the model unless it has finished."""
        self._watch.cancel()
        self.response.close()
        await self.batches.aclose()


class _SlowResponse(StreamingResponse):
    """Stops the model when the response ends, including when the client disconnects."""

    def __init__(self, delivery: _Delivery, content: AsyncIterator[bytes], media_type: str) -> None:
        self._delivery = delivery
        headers = {"cache-control": "no-cache", **_headers(delivery.record, delivery.response)}
        super().__init__(content, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            # Not Starlette's `__call__`: it would watch for the disconnect, too.
            with suppress(ClientDisconnect):
                await self.stream_response(send)
        finally:
            await self._delivery.end()


class EventStream(_SlowResponse):
    """Server-sent events.

    Args:
        delivery: the source of the chunks.
        first: the first chunks; None if there are none yet.
        writer: of its events.
    """

    def __init__(self, delivery: _Delivery, first: list[Chunk] | None, writer: Writer) -> None:
        self._writer = writer
        super().__init__(delivery, self._parts(first), "text/event-stream")

    async def _parts(self, first: list[Chunk] | None) -> AsyncIterator[bytes]:
        try:
            yield self._events(first)
            async for batch in self._delivery.batches:
                if events := self._events(batch):
                    yield events
            self._delivery.check()
            yield self._writer.end()
        except ClientDisconnect:
            raise
        except ApiError as error:
            self._delivery.record.error = error
            yield self._writer.failure(error)
        except Exception as error:  # noqa: BLE001 - the status is sent; only an event can report it now
            self._delivery.record.error = error
            yield self._writer.failure(InternalError())

    def _events(self, batch: list[Chunk] | None) -> bytes:
        """Chunks that arrived together leave together."""
        if batch is None:
            return _KEEPALIVE
        self._delivery.record.add_chunks(batch)
        return b"".join(map(self._writer.feed, batch))


class PaddedJson(_SlowResponse):
    """One JSON document that the model has not finished, preceded by white space, which JSON allows.

    The status is sent before the outcome is known. If the model then fails, the connection is closed, so that
    no client mistakes it for a success.

    Args:
        delivery: the source of the other chunks.
        chunks: those that have arrived.
        assemble: makes the document from all chunks.
    """

    def __init__(self, delivery: _Delivery, chunks: list[Chunk], assemble: Assemble) -> None:
        self._chunks = chunks
        self._assemble = assemble
        super().__init__(delivery, self._padded(), "application/json")

    async def _padded(self) -> AsyncIterator[bytes]:
        try:
            yield b" "
            async for batch in self._delivery.batches:
                if batch is None:
                    yield b" "
                else:
                    self._delivery.record.add_chunks(batch)
                    self._chunks += batch
            self._delivery.check()
            yield encode(self._assemble(self._chunks))
        except ApiError as error:
            self._delivery.record.error = error
            raise
