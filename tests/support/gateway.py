"""Requests to the gateway and responses of engines, for its tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
from gateway.pipeline import Stage

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "a prompt that must not be logged"}]}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def sse(document: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def delta(content: str, finish: str | None = None) -> dict[str, Any]:
    """A chunk of a streamed chat completion."""
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}


RESPONSE = [
    sse(delta("Grüß ")),
    sse(delta("dich 🙂", "stop")),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


def events(response: httpx.Response) -> list[Any]:
    """The events of a stream; the last is not JSON."""
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def stream(stage: Stage, items: Iterable[Any]) -> Iterator[Any]:
    """The results of a stage for `items`, as they arrive, and for their end."""
    for item in items:
        yield from stage.feed(item)
    yield from stage.end()


def read(stage: Stage, items: Iterable[Any]) -> list[Any]:
    """All results of a stage for `items`."""
    return list(stream(stage, items))
