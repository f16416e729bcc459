"""HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.chunks import Chunk
from gateway.completion import completion
from gateway.errors import ApiError, InternalError
from gateway.requestlog import RequestRecord
from gateway.schema import ChatRequest
from gateway.service import ChatAnswer, Models, shown_to_streaming_client
from gateway.threads import iterate

T = TypeVar("T")


async def health(request: Request) -> Response:  # noqa: ARG001
    """The function can take requests. Says nothing of the models."""
    return JSONResponse({"status": "ok"})


async def list_models(request: Request) -> Response:
    """`GET /v1/models`"""
    models: Models = request.app.state.models
    return JSONResponse(models.list())


async def get_model(request: Request) -> Response:
    """`GET /v1/models/{model}`"""
    models: Models = request.app.state.models
    return JSONResponse(models.get(request.path_params["model"]))


async def chat_completions(request: Request) -> Response:
    """`POST /v1/chat/completions`, streamed or whole."""
    chat = ChatRequest.parse(await request.body())
    record: RequestRecord = request.state.record
    models: Models = request.app.state.models
    answer = models.chat(chat, record.request_id)
    record.model, record.stream = chat.model, chat.stream
    chunks = iterate(answer)
    if chat.stream:
        response = ChatStream(chat, answer, chunks, record)
        # Waits for the first chunk, because a failure until then still has a status of its own.
        await _while_connected(request, response.begin(), answer, record)
        return response
    whole = await _while_connected(request, _collect(chunks), answer, record)
    return JSONResponse(completion(whole))


async def _collect(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def _while_connected(
    request: Request, work: Awaitable[T], answer: ChatAnswer, record: RequestRecord
) -> T:
    """The result of `work`; stops the model as soon as the client goes away."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            answer.close()
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        record.usage, record.first_token_at = answer.usage, answer.first_token_at


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class ChatStream(StreamingResponse):
    """Server-sent events of an answer. `begin` must have been awaited."""

    def __init__(
        self, chat: ChatRequest, answer: ChatAnswer, chunks: AsyncIterator[Chunk], record: RequestRecord
    ) -> None:
        self._chat = chat
        self._answer = answer
        self._chunks = chunks
        self._record = record
        self._first: Chunk | None = None
        super().__init__(
            self._events(), media_type="text/event-stream", headers={"cache-control": "no-cache"}
        )

    async def begin(self) -> None:
        """Wait for the first chunk.

        Raises:
            ApiError: there is none.
        """
        self._first = await anext(self._chunks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()
            self._record.usage = self._answer.usage
            self._record.first_token_at = self._answer.first_token_at

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._all():
                shown = shown_to_streaming_client(chunk, self._chat)
                if shown is not None:
                    yield _event(shown)
        except ApiError as error:
            self._record.error = error
            yield _event(error.body())
        except Exception as error:  # noqa: BLE001 - the status is sent; an event is all that can still tell
            self._record.error = error
            yield _event(InternalError().body())
        else:
            yield b"data: [DONE]\n\n"

    async def _all(self) -> AsyncIterator[Chunk]:
        assert self._first is not None  # noqa: S101
        yield self._first
        async for chunk in self._chunks:
            yield chunk


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
