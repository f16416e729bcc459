"""One line of JSON for each request: counts and times, never prompts, answers or keys."""

from __future__ import annotations

import json
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, TextIO

from gateway.errors import ApiError


@dataclass
class RequestRecord:
    """What is known of a request; filled in while it is handled.

    Attributes:
        request_id: API Gateway's, so that its log and this one can be put together.
        api_key_id: API Gateway's name for the key; not the key.
        status: of the response; 499 if the client went away before its end.
    """

    request_id: str
    method: str
    path: str
    api_key_id: str | None = None
    status: int = 499
    model: str | None = None
    stream: bool | None = None
    usage: dict[str, Any] | None = None
    first_token_at: float | None = None
    error: BaseException | None = None
    started_at: float = field(default_factory=time.monotonic)

    def write(self, out: TextIO | None = None) -> None:
        """Write the line; the request is over."""
        usage = self.usage or {}
        line = {
            "level": "ERROR" if self._failed() else "INFO",
            "message": "request",
            "request_id": self.request_id,
            "api_key_id": self.api_key_id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "model": self.model,
            "stream": self.stream,
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "time_to_first_token_ms": _milliseconds(self.started_at, self.first_token_at),
            "duration_ms": _milliseconds(self.started_at, time.monotonic()),
            **_error_fields(self.error),
        }
        text = json.dumps({key: value for key, value in line.items() if value is not None})
        stream = out or sys.stdout
        stream.write(text + "\n")
        stream.flush()

    def _failed(self) -> bool:
        # A stream that breaks off has status 200 all the same.
        return self.status >= 500 or (self.error is not None and getattr(self.error, "status", 500) >= 500)


def _error_fields(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {}
    if isinstance(error, ApiError):
        return {"error": type(error).__name__, "error_code": error.code, "cause": error.cause}
    # Without the exception's own text, which may quote what the client sent.
    stack = traceback.extract_tb(error.__traceback__)
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]
    return {"error": type(error).__name__, "frames": frames}


def _milliseconds(start: float, end: float | None) -> float | None:
    return None if end is None else round((end - start) * 1000, 1)
