"""Streamed chat completions of a deployed API."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from toolkit import documents
from toolkit.keys.client import TIMEOUT_SECONDS

# API Gateway closes a connection after five minutes without data, and the gateway keeps it alive until then.
_TIMEOUT: Final = httpx.Timeout(TIMEOUT_SECONDS, read=300.0)
_DATA: Final = "data: "


@dataclass(frozen=True)
class Usage:
    """Token counts of a response, as reported by the engine."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class _Error:
    message: str = "no message"
    # vLLM has the HTTP status here.
    code: str | int | None = None


@dataclass(frozen=True)
class _ErrorBody:
    error: _Error | None = None
    message: str | None = None


@dataclass(frozen=True)
class _Delta:
    content: str | None = None
    # Engines name it differently, and some send both.
    reasoning_content: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True)
class _Choice:
    delta: _Delta = _Delta()
    finish_reason: str | None = None


@dataclass(frozen=True)
class Chunk:
    """An event of a stream, as far as it is used."""

    choices: tuple[_Choice, ...] = ()
    usage: Usage | None = None
    model: str | None = None
    error: _Error | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The next characters of the response."""
        return "".join(choice.delta.content or "" for choice in self.choices)

    @property
    def reasoning(self) -> str:
        """The next characters of the model's reasoning, which precedes the response."""
        deltas = [choice.delta for choice in self.choices]
        return "".join(delta.reasoning_content or delta.reasoning or "" for delta in deltas)

    @property
    def finish_reason(self) -> str | None:
        """The reason why the response ends here, such as `stop` or `length`."""
        return next((choice.finish_reason for choice in self.choices if choice.finish_reason), None)


class RefusedError(Exception):
    """The API responded with another status than 200.

    Attributes:
        status: the status.
        message: the API's own message.
        code: OpenAI's code of the error, if it has one.
        retry_after: seconds after which to try again, if the API says so.
    """

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"HTTP {response.status_code}: {response.text[:300]}")
        self.status = response.status_code
        self.message, self.code = _reason(response)
        seconds = response.headers.get("retry-after", "")
        self.retry_after = int(seconds) if seconds.isdecimal() else None


class BrokenStreamError(Exception):
    """A response failed, ended early or is not a stream of completion chunks."""


def require_success(response: httpx.Response) -> None:
    """Require status 200.

    Raises:
        RefusedError: the status is another one.
    """
    if response.status_code != 200:
        response.read()
        raise RefusedError(response)


def stream(api: httpx.Client, request: Mapping[str, Any]) -> Generator[Chunk, None, None]:
    """The chunks of a chat completion, as they arrive; close the iterator to stop the model.

    Args:
        api: a client of the API, from `toolkit.keys.client.open_api`.
        request: members of the request besides those about streaming.

    Raises:
        RefusedError: the API refused the request, or the model failed before its first token.
        BrokenStreamError: the response failed later.
        httpx.HTTPError: the API is out of reach, or the connection broke.
    """
    body = {**request, "stream": True, "stream_options": {"include_usage": True}}
    with api.stream("POST", "chat/completions", json=body, timeout=_TIMEOUT) as response:
        require_success(response)
        count = 0
        for line in response.iter_lines():
            if not line.startswith(_DATA):
                continue
            data = line.removeprefix(_DATA)
            if data == "[DONE]":
                return
            yield _chunk(data)
            count += 1
    raise BrokenStreamError(f"the stream ended after {count} chunks without [DONE]")


def _chunk(data: str) -> Chunk:
    try:
        chunk = documents.parse(data, Chunk)
    except documents.DamagedError as damage:
        raise BrokenStreamError(f"an event is not a completion chunk: {damage}: {data[:200]}") from None
    if chunk.error is not None:
        raise BrokenStreamError(f"error in the stream: {chunk.error.message}")
    return chunk


def _reason(response: httpx.Response) -> tuple[str, str | None]:
    """Message and code of an error in OpenAI's shape or in API Gateway's; otherwise the text as it is."""
    try:
        body = documents.parse(response.content, _ErrorBody)
    except documents.DamagedError:
        body = _ErrorBody()
    details = body.error or _Error(body.message or response.text.strip()[:300] or "no message")
    return details.message, None if details.code is None else str(details.code)
