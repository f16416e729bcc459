"""One line of JSON for each request: counts and times, never keys, prompts and answers only where told."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ApiError

if TYPE_CHECKING:
    from gateway.answer import Answer

# A line of CloudWatch Logs has at most 256 KB; of both a prompt and an answer this much is there.
_MAX_CONTENT_CHARACTERS: Final = 50_000


@dataclass
class RequestRecord:
    """What is known of a request; filled in while it is handled.

    Attributes:
        request_id: API Gateway's, so that its log and this one can be put together.
        api_key_id: API Gateway's name for the key; not the key.
        key_name: its name in the environment file; empty if it has none.
        trace: X-Ray's header.
        status: of the response; 499 if the client went away before its end.
        stream: whether the client wants it streamed.
        answer: the model's, once it is asked.
        asked: the request's document.
        content: pieces of the answer, where they are to be logged.
    """

    request_id: str
    method: str
    path: str
    api_key_id: str | None = None
    key_name: str = ""
    trace: str | None = None
    status: int = 499
    stream: bool | None = None
    answer: Answer | None = None
    asked: dict[str, Any] | None = None
    content: list[dict[str, Any]] | None = None
    error: BaseException | None = None
    started_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None

    def said(self, piece: dict[str, Any]) -> None:
        """The model said `piece`."""
        if self.content is not None:
            self.content.append(piece)

    @property
    def model(self) -> str | None:
        """Own name of the model that answers, if one was asked."""
        return None if self.answer is None else self.answer.model

    @property
    def fallback(self) -> str | None:
        """Why that is not the one that was asked for, if so."""
        return None if self.answer is None else self.answer.fallback

    @property
    def usage(self) -> dict[str, Any]:
        """Token counts, as far as the engine told them."""
        return (self.answer.usage if self.answer is not None else None) or {}

    @property
    def outcome(self) -> int:
        """The status, or what it would have been if the error had come before the first word."""
        if self.error is None:
            return self.status
        return self.error.status if isinstance(self.error, ApiError) else 500

    @property
    def duration_ms(self) -> float:
        """From the request's arrival to the answer's end."""
        return _milliseconds(self.started_at, self.ended_at or time.monotonic())

    @property
    def time_to_first_token_ms(self) -> float | None:
        """From the request's arrival to the first chunk that says something."""
        at = None if self.answer is None else self.answer.first_token_at
        return None if at is None else _milliseconds(self.started_at, at)

    def line(self) -> dict[str, Any]:
        """The request in the log; it is over."""
        self.ended_at = self.ended_at or time.monotonic()
        fields = {
            "level": "ERROR" if self.outcome >= 500 else "INFO",
            "message": "request",
            "request_id": self.request_id,
            "trace": self.trace,
            "api_key_id": self.api_key_id,
            "key_name": self.key_name or None,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "model": self.model,
            "fallback": self.fallback,
            "stream": self.stream,
            "prompt_tokens": self.usage.get("prompt_tokens"),
            "completion_tokens": self.usage.get("completion_tokens"),
            "time_to_first_token_ms": self.time_to_first_token_ms,
            "duration_ms": self.duration_ms,
            **_error_fields(self.error),
        }
        return {key: value for key, value in fields.items() if value is not None}

    def content_line(self) -> dict[str, Any] | None:
        """Prompt and answer, where they are to be logged."""
        if self.content is None or self.asked is None:
            return None
        return {
            "message": "content",
            "request_id": self.request_id,
            "request": _cut(json.dumps(self.asked, ensure_ascii=False)),
            "answer": _cut(json.dumps([_said(piece) for piece in self.content], ensure_ascii=False)),
        }


def _said(piece: dict[str, Any]) -> Any:
    return piece.get("choices", piece.get("data"))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CONTENT_CHARACTERS else text[:_MAX_CONTENT_CHARACTERS] + "…"


def _error_fields(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {}
    if isinstance(error, ApiError):
        return {"error": type(error).__name__, "error_code": error.code, "cause": error.cause}
    # Without the exception's own text, which may quote what the client sent.
    stack = traceback.extract_tb(error.__traceback__)
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]
    return {"error": type(error).__name__, "frames": frames}


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 1)
