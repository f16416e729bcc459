"""The ASGI application: routes, errors, the request log."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import handlers
from gateway.errors import ApiError, InternalError, InvalidRequestError, MethodNotAllowedError, NotFoundError
from gateway.metrics import embedded
from gateway.requestlog import RequestRecord
from gateway.service import Models
from gateway.settings import Settings

HEALTH_PATH = "/healthz"


def create_app(models: Models, settings: Settings) -> ASGIApp:
    """The gateway for `models`."""
    app = Starlette(
        routes=[
            Route(HEALTH_PATH, handlers.health),
            Route("/v1/models", handlers.list_models),
            Route("/v1/models/{model:path}", handlers.get_model),
            Route("/v1/chat/completions", handlers.chat_completions, methods=["POST"]),
            Route("/v1/completions", handlers.completions, methods=["POST"]),
            Route("/v1/embeddings", handlers.embeddings, methods=["POST"]),
        ],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            Exception: _internal_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.models = models
    app.state.settings = settings
    logged = RequestLog(app, settings)
    return _for_pages(logged, settings.cors_origins) if settings.cors_origins else logged


def _for_pages(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answers browsers that ask whether a page may call, and lets pages of `origins` read the answers."""
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        # Clients of OpenAI send headers about themselves.
        allow_headers=("*",),
        expose_headers=("x-request-id", "retry-after"),
        max_age=7200,
    )


class RequestLog:
    """Gives each request its id and writes its line when it is over."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH_PATH:
            await self._app(scope, receive, send)
            return
        record = _record(scope)
        if self._settings.log_content:
            record.content = []
        status = record.status

        async def recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = record.request_id
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                record.status = status

        scope["state"] = {**scope.get("state", {}), "record": record}
        try:
            await self._app(scope, receive, recorded)
        except Exception as error:  # noqa: BLE001 - Starlette has answered it, and raises it to be logged
            record.error = record.error or error
        finally:
            _write({**record.line(), **embedded(record, self._settings.function_name)})
            _write(record.content_line())


def _write(line: dict[str, Any] | None) -> None:
    if line is not None:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _record(scope: Scope) -> RequestRecord:
    headers = Headers(scope=scope)
    context = _context(headers.get("x-amzn-request-context"))
    request_id = context.get("requestId")
    return RequestRecord(
        request_id=request_id if isinstance(request_id, str) and request_id else str(uuid.uuid4()),
        method=scope["method"],
        path=scope["path"],
        trace=headers.get("x-amzn-trace-id"),
        api_key_id=(context.get("identity") or {}).get("apiKeyId"),
        key_name=(context.get("authorizer") or {}).get("keyName") or "",
    )


def _context(header: str | None) -> dict[str, Any]:
    """API Gateway's view of the request, which the Lambda Web Adapter hands on."""
    try:
        context = json.loads(header or "{}")
    except ValueError:
        return {}
    return context if isinstance(context, dict) else {}


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette calls it for these only
    request.state.record.error = error
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return await _api_error(request, NotFoundError(f"There is no {where}."))
    if error.status_code == 405:
        return await _api_error(request, MethodNotAllowedError(f"There is no {where}, only another method."))
    return await _api_error(request, InvalidRequestError(error.detail))


async def _client_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=499)


async def _internal_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return JSONResponse(InternalError().body(), status_code=InternalError.status)
