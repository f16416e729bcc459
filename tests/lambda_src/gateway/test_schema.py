from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.errors import InvalidRequestError
from gateway.schema import ChatRequest
from hypothesis import given
from hypothesis import strategies as st

MESSAGES = [{"role": "user", "content": "Hi"}]


def parse(**document: Any) -> ChatRequest:
    return ChatRequest.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": "", "messages": MESSAGES}, "model"),
        ({"model": 7, "messages": MESSAGES}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "Hi"}, "messages"),
        ({"model": "m", "messages": ["Hi"]}, "messages[0]"),
        ({"model": "m", "messages": [*MESSAGES, {"content": "Hi"}]}, "messages[1].role"),
        ({"model": "m", "messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"model": "m", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream": 1}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream_options": {}}, "stream_options"),
        ({"model": "m", "messages": MESSAGES, "stream": True, "stream_options": 1}, "stream_options"),
    ],
)
def test_the_parameter_at_fault_is_named(document: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**document)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 200_000, b"1" * 5000]
)
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ChatRequest.parse(body)
    assert caught.value.param is None


@given(st.binary())
def test_no_body_breaks_the_parser(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        ChatRequest.parse(body)


def test_the_engine_is_asked_to_stream_and_to_count_whatever_the_client_wants() -> None:
    request = parse(model="m", messages=MESSAGES, temperature=0.5, tools=[{"type": "function"}])
    assert (request.stream, request.include_usage) == (False, False)
    assert json.loads(request.engine_body()) == {
        "messages": MESSAGES,
        "temperature": 0.5,
        "tools": [{"type": "function"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_options_of_the_client_are_kept() -> None:
    request = parse(
        model="m", messages=MESSAGES, stream=True, stream_options={"x": 1, "include_usage": False}
    )
    assert (request.stream, request.include_usage) == (True, False)
    assert json.loads(request.engine_body())["stream_options"] == {"x": 1, "include_usage": True}
