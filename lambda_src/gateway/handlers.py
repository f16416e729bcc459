"""HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from gateway.answer import Answer, Caller
from gateway.completion import completion
from gateway.errors import RequestTooLargeError
from gateway.requestlog import RequestRecord
from gateway.responses import EventStream, LateJson, headers_of
from gateway.schema import EmbeddingRequest, GenerationRequest
from gateway.service import Models
from gateway.threads import iterate

T = TypeVar("T")
Pieces = AsyncIterator[dict[str, Any] | None]


async def health(request: Request) -> Response:  # noqa: ARG001
    """The function can take requests. Says nothing of the models."""
    return JSONResponse({"status": "ok"})


async def list_models(request: Request) -> Response:
    """`GET /v1/models`"""
    models: Models = request.app.state.models
    return JSONResponse(models.list(_caller(request)))


async def get_model(request: Request) -> Response:
    """`GET /v1/models/{model}`"""
    models: Models = request.app.state.models
    return JSONResponse(models.get(request.path_params["model"], _caller(request)))


async def chat_completions(request: Request) -> Response:
    """`POST /v1/chat/completions`, streamed or whole."""
    return await _generate(request, GenerationRequest.chat(await _body(request)))


async def completions(request: Request) -> Response:
    """`POST /v1/completions`, streamed or whole."""
    return await _generate(request, GenerationRequest.completion(await _body(request)))


async def embeddings(request: Request) -> Response:
    """`POST /v1/embeddings`"""
    asked = EmbeddingRequest.parse(await _body(request))
    models: Models = request.app.state.models
    answer = models.embed(asked, _caller(request))
    pieces = _ask(request, answer, asked.body)
    return await _whole(request, answer, pieces, lambda documents: documents[0])


async def _generate(request: Request, asked: GenerationRequest) -> Response:
    models: Models = request.app.state.models
    record: RequestRecord = request.state.record
    answer = models.generate(asked, _caller(request))
    record.stream = asked.stream
    pieces = _ask(request, answer, asked.body)
    if not asked.stream:
        return await _whole(request, answer, pieces, lambda chunks: completion(chunks, asked.shape))
    # Waits for the first chunk, because a failure until then still has a status of its own; but not for long.
    async with _Connection(request, answer) as connection:
        first = await connection.result(asyncio.ensure_future(_next(pieces)))
    return EventStream(asked, answer, first, pieces, record)


def _ask(request: Request, answer: Answer, body: dict[str, Any]) -> Pieces:
    record: RequestRecord = request.state.record
    record.answer, record.asked = answer, body
    return iterate(answer, request.app.state.settings.keepalive_seconds)


async def _next(pieces: Pieces) -> dict[str, Any] | None:
    return await anext(pieces)


async def _whole(
    request: Request,
    answer: Answer,
    pieces: Pieces,
    assemble: Callable[[list[dict[str, Any]]], dict[str, Any]],
) -> Response:
    record: RequestRecord = request.state.record
    idle_seconds = request.app.state.settings.keepalive_seconds

    async def collect() -> dict[str, Any]:
        got = []
        async for piece in pieces:
            if piece is not None:
                record.said(piece)
                got.append(piece)
        return assemble(got)

    whole = asyncio.ensure_future(collect())
    async with _Connection(request, answer) as connection:
        while not await connection.done(whole, idle_seconds):
            # From its first word on a model hardly fails, and until then nobody has waited for long.
            if answer.first_token_at is not None:
                return LateJson(answer, whole, idle_seconds, record)
        return JSONResponse(whole.result(), headers=headers_of(answer))


class _Connection:
    """Watches whether the client is there while an answer is being made; if not, the model stops."""

    def __init__(self, request: Request, answer: Answer) -> None:
        self._request = request
        self._answer = answer

    async def __aenter__(self) -> _Connection:
        self._gone = asyncio.ensure_future(_disconnect(self._request.receive))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.cancel()

    async def done(self, work: asyncio.Future[T], seconds: float | None) -> bool:
        """Whether `work` is done, at the latest after `seconds`.

        Raises:
            ClientDisconnect: the client has gone before.
        """
        tasks: set[asyncio.Future[Any]] = {work, self._gone}
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._gone.done() and not work.done():
            work.cancel()
            self._answer.close()
            raise ClientDisconnect
        return work.done()

    async def result(self, work: asyncio.Future[T]) -> T:
        """The result of `work`.

        Raises:
            ClientDisconnect: the client has gone before.
        """
        await self.done(work, None)
        return work.result()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _body(request: Request) -> bytes:
    """The request's body, unless no model takes so large a one."""
    models: Models = request.app.state.models
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > models.body_bytes:
            raise RequestTooLargeError(models.body_bytes)
    return bytes(body)


def _caller(request: Request) -> Caller:
    record: RequestRecord = request.state.record
    return Caller(record.request_id, record.trace, record.key_name)
