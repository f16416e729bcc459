"""The same events result however the bytes of a response are split, for each framing, shape and end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT, Chunks, Identity, Shape
from gateway.completion import completion
from gateway.errors import ApiError
from gateway.framing import Documents
from gateway.pipeline import Pipeline
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import stream

IDENTITY = Identity("id", "demo", 1)
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
# Characters of one to four bytes, of JSON, and of the frames themselves.
TEXTS = ["Grüß ", "dich 🙂", "\n\ndata: [DONE]\n\n", '{"a": "}"}', "\r\n", "漢字\u2028"]


def chat(content: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}


def tool(arguments: str, **head: Any) -> dict[str, Any]:
    call = {"index": 0, **head, "function": {"arguments": arguments}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}


def text(content: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": content, "finish_reason": finish}]}


RESPONSES: dict[str, tuple[Shape, list[dict[str, Any]]]] = {
    "chat": (CHAT, [chat("", None), *map(chat, TEXTS), chat("", "stop"), {"choices": [], "usage": USAGE}]),
    "tools": (CHAT, [tool('{"city": "M', id="1"), tool('ünchen"}'), chat("", "tool_calls")]),
    "text": (TEXT, [*map(text, TEXTS), {**text("", "length"), "usage": USAGE}]),
    "error in mid-stream": (CHAT, [chat("Grüß "), {"error": {"message": "kaputt 🙂", "code": 400}}]),
    "early end": (CHAT, [chat("Grüß "), chat("dich")]),
    "whole": (CHAT, [{"choices": [{"index": 0, "message": {"content": "🙂"}, "finish_reason": "stop"}]}]),
}


def sse(response: list[dict[str, Any]], end: str = "\n") -> bytes:
    events = [f"data: {json.dumps(document, ensure_ascii=False)}{end}{end}" for document in response]
    return "".join([f": ping{end}{end}", *events]).encode()


def named_sse(response: list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: message\nid: 1\n" + sse([document])[8:] for document in response)


def lines(response: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in response).encode()


def indented(response: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(document, ensure_ascii=False, indent=1) for document in response).encode()


def crlf(response: list[dict[str, Any]]) -> bytes:
    return sse(response, "\r\n")


DIALECTS = [sse, crlf, named_sse, lines, indented]


def outcome(parts: Iterable[bytes], shape: Shape) -> list[Any]:
    """Chunks, then the error if there is one."""
    events: list[Any] = []
    try:
        for chunk in stream(Pipeline(Documents(), Chunks(IDENTITY, shape)), parts):
            events.append(chunk)
    except ApiError as error:
        events.append(error.body())
    return events


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return (data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True))


@pytest.mark.parametrize("kind", RESPONSES)
@given(dialect=st.sampled_from(DIALECTS), places=st.lists(st.integers(0, 10_000), max_size=60))
def test_responses_split_anywhere_give_the_same_events(dialect: Any, kind: str, places: list[int]) -> None:
    shape, response = RESPONSES[kind]
    data = dialect(response)
    assert outcome(cut(data, places), shape) == outcome([data], shape)


@pytest.mark.parametrize("kind", RESPONSES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_single_bytes_give_the_same_events(dialect: Any, kind: str) -> None:
    shape, response = RESPONSES[kind]
    data = dialect(response)
    assert outcome((bytes([byte]) for byte in data), shape) == outcome([data], shape)


@pytest.mark.parametrize("kind", RESPONSES)
def test_every_dialect_gives_the_same_events(kind: str) -> None:
    shape, response = RESPONSES[kind]
    first, *others = [outcome([dialect(response)], shape) for dialect in DIALECTS]
    assert all(other == first for other in others)
    assert ("error" in first[-1]) == (kind in ("error in mid-stream", "early end"))


def test_no_text_is_lost() -> None:
    shape, response = RESPONSES["text"]
    whole = completion(outcome([sse(response)], shape), shape)
    assert whole["choices"][0]["text"] == "".join(TEXTS)
    assert whole["usage"] == USAGE
