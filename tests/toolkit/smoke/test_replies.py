"""Replies of models: what counts as one, and why another does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolkit.smoke import replies
from toolkit.smoke.results import FailedError

PARTS = [{"choices": [{"delta": {"content": word}}]} for word in ("one ", "two")]
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def completion(**message: Any) -> bytes:
    return json.dumps({"model": "m", "choices": [{"message": {"role": "assistant", **message}}]}).encode()


def events(*documents: Any) -> bytes:
    return b"".join(
        b"data: " + (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n\n"
        for document in documents
    )


def read(*parts: bytes) -> replies.Stream:
    stream = replies.Stream()
    stream.read(parts)
    return stream


@pytest.mark.parametrize(
    "message",
    [
        {"content": "one two"},
        # A reasoning model may not finish its reasoning within a few tokens.
        {"content": None, "reasoning_content": "one two"},
        {"content": "", "reasoning": "one two"},
    ],
)
def test_a_text_or_its_reasoning_is_a_reply(message: dict[str, Any]) -> None:
    assert replies.completion(completion(**message)) == replies.Reply('"one two"', "m")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not a chat completion"),
        (b'{"choices": []}', "not a chat completion"),
        (completion(content=""), "the response is empty"),
        (completion(content=" \n"), "the response is empty"),
    ],
)
def test_another_body_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(FailedError, match=reason) as caught:
        replies.completion(body)
    assert caught.value.cause


def test_embeddings_of_both_apis() -> None:
    assert replies.embedding(b'{"model": "m", "data": [{"embedding": [0.5, 1]}]}').text == "2 dimensions"
    assert replies.embedding(b"[[0.5, 1, -2]]").text == "3 dimensions"


@pytest.mark.parametrize("body", [b"[[0, 0]]", b"[[]]", b"[]", b'{"data": []}', completion(content="one")])
def test_an_empty_or_zero_embedding_is_refused(body: bytes) -> None:
    with pytest.raises(FailedError):
        replies.embedding(body)


def test_a_ranking_must_have_each_document() -> None:
    scores = [{"index": index, "relevance_score": 0.5} for index in (1, 0)]
    assert replies.ranking(json.dumps({"results": scores}).encode()).text == "2 scores"
    # Text Embeddings Inference.
    ranks = [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]
    assert replies.ranking(json.dumps(ranks).encode()).text == "2 scores"
    with pytest.raises(FailedError):
        replies.ranking(json.dumps(ranks[1:]).encode())
    with pytest.raises(FailedError, match="both documents"):
        replies.ranking(json.dumps({"results": scores[:1]}).encode())


def test_a_stream_is_read_however_it_is_split() -> None:
    body = events(*PARTS, END, b"[DONE]")
    stream = read(*(body[index : index + 7] for index in range(0, len(body), 7)))
    assert (stream.chunks, stream.text, stream.finished, stream.done) == (3, "one two", True, True)
    assert stream.describe().startswith("3 chunks, the first after ")


def test_json_lines_are_a_stream_too() -> None:
    stream = read(b"\n".join(json.dumps(part).encode() for part in [*PARTS, END]))
    assert (stream.text, stream.finished, stream.done) == ("one two", True, False)


def test_comments_and_token_counts_have_no_text() -> None:
    stream = read(b": keep-alive\n\n", events({"choices": [], "usage": {"completion_tokens": 2}}))
    assert (stream.chunks, stream.text) == (0, "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (events(PARTS[0], b"[DONE]"), "not streamed"),
        (events(END, END, b"[DONE]"), "without any text"),
    ],
)
def test_a_buffered_or_empty_stream_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(FailedError, match=reason):
        read(body).describe()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"{half", "not a completion chunk"),
        ({"error": {"message": "worker died"}}, "error in the stream: worker died"),
        ({"error": "worker died"}, "error in the stream: worker died"),
    ],
)
def test_an_error_in_a_stream_is_reported(event: Any, reason: str) -> None:
    with pytest.raises(FailedError, match=reason):
        read(events(PARTS[0], event))


def test_a_guarded_stream_may_have_a_single_chunk() -> None:
    assert read(events(PARTS[0], b"[DONE]")).describe(least=1).startswith("1 chunk, the first")


def test_a_long_error_is_shortened() -> None:
    with pytest.raises(FailedError, match="error in the stream: x") as caught:
        replies.read_chunk(json.dumps({"error": {"message": "x" * 100_000}}).encode())
    assert len(caught.value.detail) < 1000
