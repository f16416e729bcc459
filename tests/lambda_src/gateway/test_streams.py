"""Any partition of an answer's bytes gives the same events: of each dialect, kind of answer and end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT, Identity, Shape, chunks
from gateway.completion import completion
from gateway.errors import ApiError
from gateway.framing import documents
from hypothesis import given
from hypothesis import strategies as st

IDENTITY = Identity("id", "demo", 1)
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
# Characters of one to four bytes, of JSON, and of the frames themselves.
SAID = ["Grüß ", "dich 🙂", "\n\ndata: [DONE]\n\n", '{"a": "}"}', "\r\n", "漢字\u2028"]


def chat(said: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": finish}]}


def tool(arguments: str, **head: Any) -> dict[str, Any]:
    call = {"index": 0, **head, "function": {"arguments": arguments}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}


def text(said: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": said, "finish_reason": finish}]}


ANSWERS: dict[str, tuple[Shape, list[dict[str, Any]]]] = {
    "chat": (CHAT, [chat("", None), *map(chat, SAID), chat("", "stop"), {"choices": [], "usage": USAGE}]),
    "tools": (CHAT, [tool('{"city": "M', id="1"), tool('ünchen"}'), chat("", "tool_calls")]),
    "text": (TEXT, [*map(text, SAID), {**text("", "length"), "usage": USAGE}]),
    "error in mid-stream": (CHAT, [chat("Grüß "), {"error": {"message": "kaputt 🙂", "code": 400}}]),
    "early end": (CHAT, [chat("Grüß "), chat("dich")]),
    "whole": (CHAT, [{"choices": [{"index": 0, "message": {"content": "🙂"}, "finish_reason": "stop"}]}]),
}


def sse(answer: list[dict[str, Any]], end: str = "\n") -> bytes:
    events = [f"data: {json.dumps(document, ensure_ascii=False)}{end}{end}" for document in answer]
    return "".join([f": ping{end}{end}", *events]).encode()


def named_sse(answer: list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: message\nid: 1\n" + sse([document])[8:] for document in answer)


def lines(answer: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in answer).encode()


def indented(answer: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(document, ensure_ascii=False, indent=1) for document in answer).encode()


def crlf(answer: list[dict[str, Any]]) -> bytes:
    return sse(answer, "\r\n")


DIALECTS = [sse, crlf, named_sse, lines, indented]


def outcome(parts: Iterable[bytes], shape: Shape) -> list[Any]:
    """Chunks, then the error if there is one."""
    events: list[Any] = []
    try:
        for chunk in chunks(documents(parts), IDENTITY, shape):
            events.append(chunk)
    except ApiError as error:
        events.append(error.body())
    return events


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return (data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True))


@pytest.mark.parametrize("kind", ANSWERS)
@given(dialect=st.sampled_from(DIALECTS), places=st.lists(st.integers(0, 10_000), max_size=60))
def test_any_partition_gives_the_same_events(dialect: Any, kind: str, places: list[int]) -> None:
    shape, answer = ANSWERS[kind]
    data = dialect(answer)
    assert outcome(cut(data, places), shape) == outcome([data], shape)


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_byte_by_byte_gives_the_same_events(dialect: Any, kind: str) -> None:
    shape, answer = ANSWERS[kind]
    data = dialect(answer)
    assert outcome((bytes([byte]) for byte in data), shape) == outcome([data], shape)


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_dialect_gives_the_same_events(kind: str) -> None:
    shape, answer = ANSWERS[kind]
    first, *others = [outcome([dialect(answer)], shape) for dialect in DIALECTS]
    assert all(other == first for other in others)
    assert ("error" in first[-1]) == (kind in ("error in mid-stream", "early end"))


def test_nothing_of_what_was_said_is_lost() -> None:
    shape, answer = ANSWERS["text"]
    whole = completion(outcome([sse(answer)], shape), shape)
    assert whole["choices"][0]["text"] == "".join(SAID)
    assert whole["usage"] == USAGE
