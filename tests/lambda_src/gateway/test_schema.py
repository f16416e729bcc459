from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT
from gateway.errors import InvalidRequestError, RequestTooLargeError
from gateway.schema import EmbeddingRequest, GenerationRequest
from gateway.settings import Model
from hypothesis import given
from hypothesis import strategies as st

MESSAGES = [{"role": "user", "content": "Hi"}]


def parse(**document: Any) -> GenerationRequest:
    return GenerationRequest.parse(json.dumps(document).encode(), CHAT)


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
        ({"model": "m", "messages": MESSAGES, "prompt": "Hi"}, "prompt"),
        ({"model": "m", "messages": MESSAGES, "max_tokens": -1}, "max_tokens"),
        ({"model": "m", "messages": MESSAGES, "max_completion_tokens": "9"}, "max_completion_tokens"),
        ({"model": "m", "messages": MESSAGES, "n_predict": -1}, "n_predict"),
        ({"model": "m", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream": 1}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream_options": {}}, "stream_options"),
        ({"model": "m", "messages": MESSAGES, "stream": True, "stream_options": 1}, "stream_options"),
    ],
)
def test_errors_name_the_invalid_parameter(document: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**document)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 200_000, b"1" * 5000]
)
def test_bodies_must_be_json_objects(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        GenerationRequest.parse(body, CHAT)
    assert caught.value.param is None


@given(st.binary())
def test_any_body_is_refused_cleanly(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        GenerationRequest.parse(body, CHAT)


def test_engines_always_stream_and_count_tokens() -> None:
    request = parse(model="m", messages=MESSAGES, temperature=0.5, tools=[{"type": "function"}])
    assert (request.stream, request.include_usage) == (False, False)
    assert json.loads(request.engine_body(stream=True)) == {
        "messages": MESSAGES,
        "temperature": 0.5,
        "tools": [{"type": "function"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_client_stream_options_are_kept() -> None:
    request = parse(
        model="m", messages=MESSAGES, stream=True, stream_options={"x": 1, "include_usage": False}
    )
    assert (request.stream, request.include_usage) == (True, False)
    assert json.loads(request.engine_body(stream=True))["stream_options"] == {"x": 1, "include_usage": True}


INPUTS = [
    ("Hi", 1),
    (["Hi", "Ho"], 2),
    ([1, 2, 3], 1),
    ([[1, 2], [3]], 2),
]
WRONG_INPUTS = [None, "", [], 7, {}, [None], ["Hi", 1], [[]], [[1], "Hi"], [True], [["Hi"]]]


@pytest.mark.parametrize("value", [value for value, _ in INPUTS])
def test_all_kinds_of_prompts(value: Any) -> None:
    request = GenerationRequest.parse(json.dumps({"model": "m", "prompt": value}).encode(), TEXT)
    assert json.loads(request.engine_body(stream=False)) == {"prompt": value, "stream": False}


@pytest.mark.parametrize(("value", "count"), INPUTS)
def test_all_kinds_of_inputs(value: Any, count: int) -> None:
    request = EmbeddingRequest.parse(json.dumps({"model": "m", "input": value, "dimensions": 9}).encode())
    assert (request.count, request.base64) == (count, False)
    assert json.loads(request.engine_body("openai")) == {"input": value, "dimensions": 9}
    inputs = json.loads(request.engine_body("tei"))["inputs"]
    assert len(inputs) == count


@pytest.mark.parametrize("value", WRONG_INPUTS)
def test_invalid_inputs_are_refused(value: Any) -> None:
    body = json.dumps({"model": "m", "prompt": value, "input": value}).encode()
    for parse_body, param in (
        (partial(GenerationRequest.parse, shape=TEXT), "prompt"),
        (EmbeddingRequest.parse, "input"),
    ):
        document = {key: value for key, value in json.loads(body).items() if key in ("model", param)}
        with pytest.raises(InvalidRequestError) as caught:
            parse_body(json.dumps(document).encode())
        assert caught.value.param == param


def test_unknown_encodings_are_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        EmbeddingRequest.parse(b'{"model": "m", "input": "Hi", "encoding_format": "hex"}')
    assert caught.value.param == "encoding_format"


LIMITED = Model("m", "m", max_tokens_default=10, max_tokens_ceiling=20, body_bytes=1000)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"max_tokens": 10}),
        ({"max_tokens": 20}, {"max_tokens": 20}),
        ({"max_tokens": None}, {"max_tokens": 10}),
        ({"max_completion_tokens": 5}, {"max_completion_tokens": 5, "max_tokens": 5}),
    ],
)
def test_lengths_within_the_limits(options: dict[str, Any], expected: dict[str, int]) -> None:
    body = json.loads(
        parse(model="m", messages=MESSAGES, **options).limited(LIMITED).engine_body(stream=False)
    )
    assert {key: value for key, value in body.items() if "max" in key} == expected


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict", "max_new_tokens"])
def test_requests_above_the_token_ceiling_are_refused(name: str) -> None:
    request = parse(model="m", messages=MESSAGES, **{name: 21})
    with pytest.raises(InvalidRequestError, match="at most 20") as caught:
        request.limited(LIMITED)
    assert caught.value.param == name
    # The client did not choose the fallback, so its limit is not an error.
    assert request.limited(LIMITED, clamp=True).body[name] == 20


def test_a_ceiling_is_also_the_default() -> None:
    model = Model("m", "m", max_tokens_ceiling=20)
    assert parse(model="m", messages=MESSAGES).limited(model).body["max_tokens"] == 20
    assert "max_tokens" not in parse(model="m", messages=MESSAGES).limited(Model("m", "m")).body


def test_requests_above_the_body_limit_are_refused() -> None:
    with pytest.raises(RequestTooLargeError, match="1000 bytes"):
        parse(model="m", messages=MESSAGES, user="x" * 1000).limited(LIMITED)
