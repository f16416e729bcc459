"""HTTP handlers: each parses its request, calls the service and builds the response."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import validation
from gateway.apis import messages as messages_api
from gateway.apis import rerank as rerank_api
from gateway.apis import responses as responses_api
from gateway.apis import score as score_api
from gateway.apis.translation import renamed, translated
from gateway.chunks import CHAT, TEXT
from gateway.completion import Writer
from gateway.contract import conforming
from gateway.errors import RequestTooLargeError
from gateway.model_response import Caller, ModelResponse
from gateway.ranking import RankRequest
from gateway.request_log import RequestRecord
from gateway.responses import Assemble, stream_response, whole_response
from gateway.responses import Writer as ResponseWriter
from gateway.schema import EmbeddingRequest, GenerationRequest
from gateway.service import Models


async def health(request: Request) -> Response:  # noqa: ARG001
    """`GET /healthz`: the function can take requests. Says nothing about the models."""
    return JSONResponse({"status": "ok"})


async def list_models(request: Request) -> Response:
    """`GET /v1/models`"""
    return JSONResponse(_models(request).list(_caller(request)))


async def get_model(request: Request) -> Response:
    """`GET /v1/models/{model}`"""
    return JSONResponse(_models(request).get(request.path_params["model"], _caller(request)))


async def chat_completions(request: Request) -> Response:
    """`POST /v1/chat/completions`, streamed or whole."""
    return await _complete(request, GenerationRequest.parse(await _body(request), CHAT))


async def completions(request: Request) -> Response:
    """`POST /v1/completions`, streamed or whole."""
    return await _complete(request, GenerationRequest.parse(await _body(request), TEXT))


async def responses(request: Request) -> Response:
    """`POST /v1/responses`, streamed or whole."""
    body = await _body(request)
    document = validation.load(body)
    responses_api.add_types(document)
    document = conforming(document, responses_api.SCHEMA)
    with renamed(responses_api.PARAMS):
        generation = translated(responses_api.chat_request(document), len(body), "input")
        return await _generate(request, generation, responses_api.Writer(document))


async def messages(request: Request) -> Response:
    """`POST /v1/messages`, streamed or whole."""
    body = await _body(request)
    document = conforming(validation.load(body), messages_api.SCHEMA)
    with renamed(messages_api.PARAMS):
        generation = translated(messages_api.chat_request(document), len(body), "messages")
        return await _generate(request, generation, messages_api.Writer())


async def count_tokens(request: Request) -> Response:
    """`POST /v1/messages/count_tokens`: by the model, which generates one token."""
    body = await _body(request)
    document = conforming(validation.load(body), messages_api.TOKENS_SCHEMA)
    with renamed(messages_api.PARAMS):
        generation = translated(messages_api.prompt_only(document), len(body), "messages")
        return await _generate(request, generation, messages_api.TokenCounter(), guarded=False)


async def _complete(request: Request, generation: GenerationRequest) -> Response:
    writer = Writer(generation.shape, include_usage=generation.include_usage)
    return await _generate(request, generation, writer)


async def _generate(
    request: Request, generation: GenerationRequest, writer: ResponseWriter, *, guarded: bool = True
) -> Response:
    response = _models(request).generate(generation, _caller(request), guarded=guarded)
    await _start(request, response, generation.body, stream=generation.stream)
    if generation.stream:
        return await stream_response(request, response, writer)
    return await whole_response(request, response, writer.whole)


async def embeddings(request: Request) -> Response:
    """`POST /v1/embeddings`"""
    embedding = EmbeddingRequest.parse(await _body(request))
    response = _models(request).embed(embedding, _caller(request))
    await _start(request, response, embedding.body)
    return await whole_response(request, response, lambda documents: documents[0])


async def rerank(request: Request) -> Response:
    """`POST /v1/rerank` and `/v2/rerank`"""
    body = await _body(request)
    document = validation.parse(body, rerank_api.SCHEMA, "documents")
    ranking = rerank_api.rank_request(document, len(body))
    return await _rank(request, ranking, lambda chunks: rerank_api.response(document, chunks[0]))


async def score(request: Request) -> Response:
    """`POST /v1/score`"""
    body = await _body(request)
    document = validation.parse(body, score_api.SCHEMA, "text_2")
    ranking = score_api.rank_request(document, len(body))
    return await _rank(request, ranking, lambda chunks: score_api.response(chunks[0]))


async def _rank(request: Request, ranking: RankRequest, assemble: Assemble) -> Response:
    response = _models(request).rank(ranking, _caller(request))
    await _start(request, response, ranking.body, repeated_bytes=ranking.repeated_bytes)
    return await whole_response(request, response, assemble)


async def _start(
    request: Request,
    response: ModelResponse,
    body: dict[str, Any],
    *,
    stream: bool | None = None,
    repeated_bytes: int = 0,
) -> None:
    """Record that a model is asked to respond to `body`, unless the key's budget is used up."""
    record = _record(request)
    record.start(response, body, stream=stream)
    if request.app.state.budgets is not None:
        await request.app.state.budgets.admit(record, response, body, repeated_bytes)


async def _body(request: Request) -> bytes:
    """The request's body, up to the size that the most generous model accepts."""
    limit = _models(request).body_bytes
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise RequestTooLargeError(limit)
    return bytes(body)


def _caller(request: Request) -> Caller:
    record = _record(request)
    return Caller(record.request_id, record.trace, record.key_name)


def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


def _record(request: Request) -> RequestRecord:
    record: RequestRecord = request.state.record
    return record
