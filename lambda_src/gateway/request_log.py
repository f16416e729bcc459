"""One line of JSON per request: counts and times, never keys; prompts and responses only if configured."""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import ApiError, InvalidRequestError
from gateway.metrics import embedded_metrics
from gateway.model_response import ModelResponse
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.budgets import Reservation

HEALTH_PATH: Final = "/healthz"
# API Gateway's description of the request, from the Lambda Web Adapter.
CONTEXT_HEADER: Final = "x-amzn-request-context"
# CloudWatch Logs truncates lines at 256 KB; a line holds a prompt and a response of this length.
_MAX_CONTENT_CHARACTERS: Final = 50_000
# A key that the toolkit created, and one that stands for callers with a JWT, as in the authorizer.
_NAMED_KEY: Final = re.compile(r"sk-(?P<name>[a-z0-9-]+)-[A-Za-z0-9]{40}")
_JWT_KEY: Final = re.compile(r"jwt-(?P<usage_plan>[a-z0-9-]+)-[0-9a-f]{32}")


class RequestLog:
    """Middleware: gives each request its id and its record, and writes its log lines when it is over."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH_PATH:
            await self._app(scope, receive, send)
            return
        app = self._app
        contexts = Headers(scope=scope).getlist(CONTEXT_HEADER)
        record = RequestRecord.create(scope, contexts[0] if len(contexts) == 1 else None)
        if len(contexts) > 1:
            # The adapter sets one; with two, it is unknown which of them a client made up.
            record.error = InvalidRequestError(f"The header {CONTEXT_HEADER} is not allowed in requests.")
            app = JSONResponse(record.error.body(), status_code=record.error.status)
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
            await app(scope, receive, recorded)
        except Exception as error:  # noqa: BLE001 - Starlette has responded, and raises it to be logged
            record.error = record.error or error
        finally:
            _write({**record.line(), **embedded_metrics(record, self._settings.function_name)})
            _write(record.content_line())


def _write(line: dict[str, Any] | None) -> None:
    if line is not None:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()


@dataclass
class RequestRecord:
    """The log entry of a request, completed while the request is handled.

    Attributes:
        request_id: API Gateway's, which joins its access log with this one.
        api_key_id: API Gateway's id of the key, not the key itself.
        key_name: the key's name in the environment file; empty if it has none, None if the request does not
            come from API Gateway.
        caller: ARN of the AWS identity that signed the request, or the authorizer's name of a caller with a
            JWT: a digest, unless the environment logs subjects.
        trace: X-Ray's header.
        status: of the response; 499 if the client disconnected before its end.
        stream: whether the client wants it streamed.
        response: the model's, once it is requested.
        body: the request's document.
        content: chunks of the response, if they are to be logged.
        reservation: the request's share of its key's budget, if that has one.
        budget_error: why the budget's counters could not be updated.
    """

    request_id: str
    method: str
    path: str
    api_key_id: str | None = None
    key_name: str | None = None
    caller: str | None = None
    trace: str | None = None
    status: int = 499
    stream: bool | None = None
    response: ModelResponse | None = None
    body: dict[str, Any] | None = None
    content: list[dict[str, Any]] | None = None
    error: BaseException | None = None
    reservation: Reservation | None = None
    budget_error: str | None = None
    started_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None

    @classmethod
    def create(cls, scope: Scope, context: str | None) -> RequestRecord:
        """The record of a request that has just arrived.

        Args:
            scope: ASGI's description of the request.
            context: API Gateway's, as JSON.
        """
        members = _object(context)
        identity, authorizer = (members.get(name) for name in ("identity", "authorizer"))
        api_key_id = _text(identity, "apiKeyId")
        caller = _text(identity, "userArn")
        return cls(
            request_id=_text(members, "requestId") or str(uuid.uuid4()),
            method=scope["method"],
            path=scope["path"],
            trace=Headers(scope=scope).get("x-amzn-trace-id"),
            api_key_id=api_key_id,
            key_name=_key_name(_text(identity, "apiKey"), authorizer) if api_key_id or caller else None,
            caller=caller or (_text(authorizer, "caller") if api_key_id else None),
        )

    def start(self, response: ModelResponse, body: dict[str, Any], *, stream: bool | None = None) -> None:
        """Record that a model is asked to respond to `body`."""
        self.response, self.body, self.stream = response, body, stream

    def add_chunks(self, chunks: list[dict[str, Any]]) -> None:
        """Keep chunks of the response, if content is to be logged."""
        if self.content is not None:
            self.content += chunks

    @property
    def model(self) -> str | None:
        """Name of the model that responds, once one is requested."""
        return None if self.response is None else self.response.model

    @property
    def fallback(self) -> str | None:
        """Why another model than the requested one responds, if one does."""
        return None if self.response is None else self.response.fallback

    @property
    def usage(self) -> dict[str, Any]:
        """Token counts, as far as the engine has reported them."""
        return (self.response.usage if self.response is not None else None) or {}

    @property
    def outcome(self) -> int:
        """The status, or the one that the error would have had before the first token."""
        if self.error is None:
            return self.status
        return self.error.status if isinstance(self.error, ApiError) else 500

    @property
    def duration_ms(self) -> float:
        """From the request's arrival to the end of the response."""
        return _milliseconds(self.started_at, self.ended_at or time.monotonic())

    @property
    def time_to_first_token_ms(self) -> float | None:
        """From the request's arrival to the first chunk with content."""
        at = None if self.response is None else self.response.first_token_at
        return None if at is None else _milliseconds(self.started_at, at)

    def line(self) -> dict[str, Any]:
        """The log line of the request, which is over."""
        self.ended_at = self.ended_at or time.monotonic()
        fields = {
            "level": "ERROR" if self.outcome >= 500 or self.budget_error else "INFO",
            "message": "request",
            "request_id": self.request_id,
            "trace": self.trace,
            "api_key_id": self.api_key_id,
            "key_name": self.key_name or None,
            "caller": self.caller,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "model": self.model,
            "fallback": self.fallback,
            "stream": self.stream,
            "guard": None if self.response is None else self.response.guard_action,
            "guard_cause": None if self.response is None else self.response.guard_cause,
            "prompt_tokens": self.usage.get("prompt_tokens"),
            "completion_tokens": self.usage.get("completion_tokens"),
            "time_to_first_token_ms": self.time_to_first_token_ms,
            "duration_ms": self.duration_ms,
            "budget_error": self.budget_error,
            **_error_fields(self.error),
        }
        return {key: value for key, value in fields.items() if value is not None}

    def content_line(self) -> dict[str, Any] | None:
        """The log line with prompt and response, if content is to be logged."""
        if self.content is None or self.body is None:
            return None
        chunks = [chunk.get("choices", chunk.get("data")) for chunk in self.content]
        return {
            "message": "content",
            "request_id": self.request_id,
            "request": _truncate(json.dumps(self.body, ensure_ascii=False)),
            "answer": _truncate(json.dumps(chunks, ensure_ascii=False)),
        }


def _key_name(checked: str | None, authorizer: object) -> str:
    """The name in the key that API Gateway has checked, which the authorizer may not have read.

    With the API key source `HEADER`, API Gateway reads its own header. With `AUTHORIZER` it checks the key
    that the authorizer named, and may not pass on its value.
    """
    if checked is None:
        return _text(authorizer, "keyName") or ""
    if match := _NAMED_KEY.fullmatch(checked):
        return match["name"]
    match = _JWT_KEY.fullmatch(checked)
    return f"jwt/{match['usage_plan']}" if match else ""


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(members: object, name: str) -> str | None:
    value = members.get(name) if isinstance(members, dict) else None
    return value if isinstance(value, str) and value else None


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_CONTENT_CHARACTERS else text[:_MAX_CONTENT_CHARACTERS] + "…"


def _error_fields(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {}
    if isinstance(error, ApiError):
        return {"error": type(error).__name__, "error_code": error.code, "cause": error.cause}
    # The exception's text may quote the client's input, so it is left out.
    stack = traceback.extract_tb(error.__traceback__)
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]
    return {"error": type(error).__name__, "frames": frames}


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 1)
