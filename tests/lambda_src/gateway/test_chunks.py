from __future__ import annotations

from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT, Chunks, Identity, has_content
from gateway.errors import ApiError, ContextLengthExceededError, ModelError

from tests.support.gateway import read

IDENTITY = Identity("chatcmpl-1", "demo", 1700000000)


def delta_document(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def test_chunks_have_openai_members_and_the_client_model_name() -> None:
    document = {
        **delta_document({"content": "Hi"}, "stop"),
        "id": "7",
        "model": "/opt/ml/model",
        "object": "chunk",
        "timings": {"predicted_ms": 3},
        "system_fingerprint": "b1",
    }
    (chunk,) = read(Chunks(IDENTITY, CHAT), [document])
    assert chunk == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "demo",
        "choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": None, "finish_reason": "stop"}],
        "system_fingerprint": "b1",
        "usage": None,
    }


def test_a_whole_message_becomes_a_chunk() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call, call]}
    document = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"total_tokens": 3},
    }
    (chunk,) = read(Chunks(IDENTITY, CHAT), [document])
    delta = chunk["choices"][0]["delta"]
    assert [call["index"] for call in delta["tool_calls"]] == [0, 1]
    assert chunk["usage"] == {"total_tokens": 3}


@pytest.mark.parametrize(
    ("documents", "kind"),
    [
        ([{"error": {"message": "boom", "type": "InternalServerError", "code": 500}}], ModelError),
        ([{"object": "error", "message": "maximum context length is 9 tokens"}], ContextLengthExceededError),
        ([{"error": "Incomplete generation", "error_type": "generation"}], ModelError),
        ([delta_document({"content": ""}, "error")], ModelError),
        ([{"generated_text": "Hi"}], ModelError),
        ([{"choices": [{"text": "Hi"}]}], ModelError),
    ],
)
def test_engine_errors_are_raised(documents: list[Any], kind: type[ApiError]) -> None:
    with pytest.raises(kind):
        read(Chunks(IDENTITY, CHAT), [delta_document({"content": "Hel"}), *documents])


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [None],
        [delta_document({"content": "Hel"})],
        [delta_document({"content": "a"}, "stop", 0), delta_document({"content": "b"}, None, 1)],
        [{"choices": [], "usage": {"total_tokens": 1}}],
    ],
)
def test_a_truncated_stream_is_a_model_error(documents: list[Any]) -> None:
    with pytest.raises(ModelError):
        read(Chunks(IDENTITY, CHAT), documents)


def test_done_ends_a_stream_without_finish_reason() -> None:
    assert len(read(Chunks(IDENTITY, CHAT), [delta_document({"content": "Hi"}), None])) == 1


def test_a_role_is_not_content() -> None:
    role, text = read(
        Chunks(IDENTITY, CHAT),
        [delta_document({"role": "assistant", "content": ""}), delta_document({"content": "x"}, "stop")],
    )
    assert not has_content(role)
    assert has_content(text)


def test_plain_completions_have_text() -> None:
    document = {
        "choices": [{"index": 0, "text": "Hi", "finish_reason": "length"}],
        "usage": {"total_tokens": 1},
    }
    (chunk,) = read(Chunks(IDENTITY, TEXT), [document])
    assert chunk["object"] == "text_completion"
    assert chunk["choices"] == [{"index": 0, "text": "Hi", "logprobs": None, "finish_reason": "length"}]
    assert has_content(chunk)
    with pytest.raises(ModelError):
        read(Chunks(IDENTITY, TEXT), [delta_document({"content": "Hi"}, "stop")])
