"""The ASGI application: routes, CORS, error responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway import handlers
from gateway.apis import messages
from gateway.errors import ApiError, InternalError, InvalidRequestError, MethodNotAllowedError, NotFoundError
from gateway.request_log import HEALTH_PATH, RequestLog
from gateway.service import Models
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.budgets import Budgets

_LIMIT_STATE = ("limit", "remaining", "reset")
# Headers of responses that pages may read, too.
_EXPOSED = (
    *("x-request-id", "server-timing", "retry-after", "x-should-retry"),
    *(f"x-ratelimit-{name}-tokens" for name in _LIMIT_STATE),
    *(f"anthropic-ratelimit-tokens-{name}" for name in _LIMIT_STATE),
)


def create_app(models: Models, settings: Settings, budgets: Budgets | None = None) -> ASGIApp:
    """The gateway for `models`.

    Args:
        models: the models.
        settings: the gateway's.
        budgets: of the API keys; None if no key has one.
    """
    app = Starlette(
        routes=[
            Route(HEALTH_PATH, handlers.health),
            Route("/v1/models", handlers.list_models),
            Route("/v1/models/{model:path}", handlers.get_model),
            Route("/v1/chat/completions", handlers.chat_completions, methods=["POST"]),
            Route("/v1/completions", handlers.completions, methods=["POST"]),
            Route("/v1/responses", handlers.responses, methods=["POST"]),
            Route("/v1/messages", handlers.messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", handlers.count_tokens, methods=["POST"]),
            Route("/v1/embeddings", handlers.embeddings, methods=["POST"]),
            Route("/v1/rerank", handlers.rerank, methods=["POST"]),
            Route("/v2/rerank", handlers.rerank, methods=["POST"]),
            Route("/v1/score", handlers.score, methods=["POST"]),
        ],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_disconnect,
            RecursionError: _too_deep,
            Exception: _internal_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.models = models
    app.state.settings = settings
    app.state.budgets = budgets
    logged = RequestLog(_settled(app, budgets) if budgets is not None else app, settings)
    return _allow_origins(logged, settings.cors_origins) if settings.cors_origins else logged


def _settled(app: ASGIApp, budgets: Budgets) -> ASGIApp:
    from gateway.budgets import BudgetMiddleware

    return BudgetMiddleware(app, budgets)


def _allow_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answer preflight requests, and let pages of `origins` read the responses."""
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        # OpenAI's clients send headers about themselves.
        allow_headers=("*",),
        expose_headers=_EXPOSED,
        max_age=7200,
    )


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette calls it for these only
    request.state.record.error = error
    return JSONResponse(_error_body(request, error), status_code=error.status, headers=error.headers())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    path = request.url.path
    if error.status_code == 404:
        return await _api_error(request, NotFoundError(f"Unknown path: {request.method} {path}."))
    if error.status_code == 405:
        message = f"The path {path} does not support {request.method}."
        return await _api_error(request, MethodNotAllowedError(message))
    return await _api_error(request, InvalidRequestError(error.detail))


async def _too_deep(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return await _api_error(request, InvalidRequestError("The request body is nested too deeply."))


async def _client_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=499)


async def _internal_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return JSONResponse(_error_body(request, InternalError()), status_code=InternalError.status)


def _error_body(request: Request, error: ApiError) -> dict[str, Any]:
    return messages.error_body(error) if request.url.path.startswith("/v1/messages") else error.body()
