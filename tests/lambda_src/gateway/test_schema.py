from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from gateway import capabilities
from gateway.chunks import CHAT, TEXT
from gateway.errors import InvalidRequestError, RequestTooLargeError
from gateway.schema import EmbeddingRequest, GenerationRequest
from gateway.settings import Model
from hypothesis import given
from hypothesis import strategies as st

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "weather"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SURROGATE = "emoji \ud83d"


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
        ({"model": "m", "messages": MESSAGES, "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": MESSAGES, "max_completion_tokens": 0}, "max_completion_tokens"),
        ({"model": "m", "messages": MESSAGES, "max_completion_tokens": "9"}, "max_completion_tokens"),
        ({"model": "m", "messages": MESSAGES, "n_predict": -1}, "n_predict"),
        ({"model": "m", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream": 1}, "stream"),
        ({"model": "m", "messages": MESSAGES, "stream_options": {}}, "stream_options"),
        ({"model": "m", "messages": MESSAGES, "stream": True, "stream_options": 1}, "stream_options"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "bogus", "content": "Hi"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": "Hi", "name": 1}]}, "messages[0].name"),
        ({"model": "m", "messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "x"}]}]},
            "messages[0].content[0].type",
        ),
        ({"model": "m", "messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].tool_call_id"),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": None}]}]},
            "messages[0].tool_calls[0].id",
        ),
        ({"model": "m", "messages": MESSAGES, "tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"model": "m", "messages": MESSAGES, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"model": "m", "messages": MESSAGES, "tools": [TOOL], "tool_choice": "x"}, "tool_choice"),
        ({"model": "m", "messages": MESSAGES, "tool_choice": "required"}, "tool_choice"),
        (
            {
                "model": "m",
                "messages": MESSAGES,
                "tools": [TOOL],
                "tool_choice": {"type": "function", "function": {"name": "time"}},
            },
            "tool_choice",
        ),
        ({"model": "m", "messages": MESSAGES, "n": 2**63}, "n"),
        ({"model": "m", "messages": MESSAGES, "n": 0}, "n"),
        ({"model": "m", "messages": MESSAGES, "n": True}, "n"),
        ({"model": "m", "messages": MESSAGES, "temperature": "hot"}, "temperature"),
        ({"model": "m", "messages": MESSAGES, "stop": [None]}, "stop[0]"),
        ({"model": "m", "messages": MESSAGES, "logit_bias": {"1": "x"}}, "logit_bias.1"),
        ({"model": "m", "messages": MESSAGES, "top_logprobs": 1}, "top_logprobs"),
        ({"model": "m", "messages": MESSAGES, "response_format": "json"}, "response_format"),
        ({"model": "m", "messages": MESSAGES, "response_format": {"type": "x"}}, "response_format.type"),
        ({"model": "m", "messages": [{"role": "user", "content": SURROGATE}]}, "messages[0].content"),
        ({"model": "m", "messages": MESSAGES, "stop": ["a", SURROGATE]}, "stop[1]"),
        ({"model": "m", "messages": MESSAGES, "metadata": {"a": SURROGATE}}, "metadata.a"),
        ({"model": "m", "messages": MESSAGES, "\ud83d": 1}, "\\ud83d"),
    ],
)
def test_errors_name_the_invalid_parameter(document: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**document)
    assert caught.value.param == param
    assert param in caught.value.message
    assert caught.value.message.isascii()


def test_a_text_completion_may_return_the_prompt_alone() -> None:
    body = json.dumps({"model": "m", "prompt": "Hi", "max_tokens": 0, "echo": True}).encode()
    assert GenerationRequest.parse(body, TEXT).max_tokens == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "'n' is 0: it must be an integer of at least 1 and of at most 128."),
        ("2", "'n' is '2': it must be an integer of at least 1 and of at most 128."),
        (2**63, "'n' is 9223372036854775808: it must be an integer of at least 1 and of at most 128."),
    ],
)
def test_errors_name_values_as_the_client_sent_them(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(model="m", messages=MESSAGES, n=value)
    assert caught.value.message == message


@pytest.mark.parametrize("value", [SURROGATE, ["Hi", SURROGATE]])
def test_unpaired_surrogates_in_prompts_are_refused(value: Any) -> None:
    for parse_body, param in (
        (partial(GenerationRequest.parse, shape=TEXT), "prompt"),
        (EmbeddingRequest.parse, "input"),
    ):
        with pytest.raises(InvalidRequestError, match="unpaired surrogate") as caught:
            parse_body(json.dumps({"model": "m", param: value}).encode())
        assert caught.value.param == (param if isinstance(value, str) else f"{param}[1]")


def test_pairs_of_surrogates_are_characters() -> None:
    assert b"\\ud83d\\ude42" in json.dumps({"content": "🙂"}).encode()
    request = parse(model="m", messages=[{"role": "user", "content": "🙂"}])
    assert request.body["messages"][0]["content"] == "🙂"


def test_null_members_are_absent_members() -> None:
    message = {"role": "user", "content": "Hi", "name": None, "audio": None}
    called = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]}
    function = {"name": "weather", "description": None, "parameters": {"default": None}, "strict": None}
    request = parse(
        model="m",
        messages=[message, called],
        tools=[{"type": "function", "function": function}],
        stop=None,
        unknown=None,
        chat_template_kwargs={"x": None},
    )
    assert json.loads(request.engine_body("openai", stream=False)) == {
        "messages": [*MESSAGES, {"role": "assistant", "tool_calls": [CALL]}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"default": None}}}],
        # Members that the contract does not describe, such as those of JSON Schema, may need their null.
        "chat_template_kwargs": {"x": None},
        "stream": False,
    }


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None},
        {"role": "assistant", "refusal": "No."},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "function", "content": None, "name": "weather"},
    ],
)
def test_null_contents_become_empty(message: dict[str, Any]) -> None:
    """llama.cpp refuses messages that have neither content nor tool calls."""
    request = parse(model="m", messages=[*MESSAGES, message])
    assert request.body["messages"][1] == {**message, "content": ""}


@pytest.mark.parametrize(
    "members",
    [
        *({"tools": [1]}, {"tools": "x"}, {"response_format": "json_schema"}, {"tool_choice": "required"}),
        {"response_format": {"type": "json_schema"}},
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "llama_cpp", "tgi"])
def test_members_of_chats_are_unknown_elsewhere(dialect: str, members: dict[str, Any]) -> None:
    """The engine validates members that the contract does not describe."""
    completion = GenerationRequest.parse(json.dumps({"model": "m", "prompt": "Hi", **members}).encode(), TEXT)
    completion.limited(Model("m", "m", dialect=dialect)).engine_body(dialect, stream=True)
    assert not completion.must_call_tool
    embedding = EmbeddingRequest.parse(json.dumps({"model": "m", "input": "Hi", **members}).encode())
    capabilities.check(embedding.body, Model("m", "m", dialect=dialect))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_that_json_cannot_express_are_refused(number: str) -> None:
    with pytest.raises(InvalidRequestError):
        GenerationRequest.parse(f'{{"model": "m", "prompt": "Hi", "x": {number}}}'.encode(), TEXT)


def schema_format(schema: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": strict}}


SCHEMA = {"type": "object", "properties": {"multipleOf": {"type": "integer", "minimum": 1}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
AUDIO = {"type": "audio_url", "audio_url": {"url": "https://example.com/cat.wav"}}
TAGS = {"type": "structural_tag", "structures": [], "triggers": ["<tool"]}


@pytest.mark.parametrize(
    ("dialect", "members", "param"),
    [
        ("openai", {"functions": [{"name": "f"}]}, "functions"),
        ("openai", {"best_of": 2}, "best_of"),
        ("openai", {"modalities": ["audio"]}, "modalities"),
        ("llama_cpp", {"suffix": "x"}, "suffix"),
        ("llama_cpp", {"echo": True}, "echo"),
        ("tgi", {"echo": True}, "echo"),
        ("tgi", {"n": 2}, "n"),
        (
            "llama_cpp",
            {"response_format": schema_format({"type": "object", "properties": {"a": {"not": {}}}})},
            "response_format.json_schema.schema.properties.a.not",
        ),
        (
            "llama_cpp",
            {"response_format": schema_format({"anyOf": [{"type": "string", "pattern": "a"}]})},
            "response_format.json_schema.schema.anyOf[0].pattern",
        ),
        (
            "llama_cpp",
            {"response_format": schema_format({"type": "number", "maximum": 1})},
            "response_format.json_schema.schema.maximum",
        ),
        ("llama_cpp", {"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]"),
        ("llama_cpp", {"messages": [{"role": "user", "content": [AUDIO]}]}, "messages[0].content[0]"),
        ("llama_cpp", {"response_format": {"type": "regex", "value": "a+"}}, "response_format.type"),
        ("llama_cpp", {"response_format": TAGS}, "response_format.type"),
    ],
)
def test_members_that_the_engine_would_ignore_are_refused(
    dialect: str, members: dict[str, Any], param: str
) -> None:
    request = parse(**{"model": "m", "messages": MESSAGES, **members})
    with pytest.raises(InvalidRequestError) as caught:
        request.limited(Model("m", "m", dialect=dialect))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"type": ["integer", "null"], "minimum": 0}, None),
        ({"type": "string", "minimum": 0}, None),
        ({"type": "number", "minimum": None}, None),
        ({"type": "array", "uniqueItems": False, "minContains": 0, "unevaluatedItems": True}, None),
        ({"type": "object", "minProperties": 0, "patternProperties": {}, "not": False}, None),
        ({"minimum": 0}, "minimum"),
        ({"type": ["integer", "number"], "maximum": 0}, "maximum"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        # These two forbid all other members.
        ({"type": "object", "unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"type": "object", "maxProperties": 0}, "maxProperties"),
    ],
)
def test_strict_schemas_must_be_enforceable(schema: dict[str, Any], refused: str | None) -> None:
    model = Model("m", "m", dialect="llama_cpp")
    parse(model="m", messages=MESSAGES, response_format=schema_format(schema, strict=False)).limited(model)
    request = parse(model="m", messages=MESSAGES, response_format=schema_format(schema))
    if refused is None:
        request.limited(model)
        return
    with pytest.raises(InvalidRequestError) as caught:
        request.limited(model)
    assert caught.value.param == f"response_format.json_schema.schema.{refused}"


def test_reasons_of_the_engine_precede_those_of_all_engines() -> None:
    for dialect, reason in (("openai", "use 'n'"), ("tgi", "the engine returns one choice")):
        request = parse(model="m", messages=MESSAGES, best_of=2)
        with pytest.raises(InvalidRequestError, match=reason):
            request.limited(Model("m", "m", dialect=dialect))


def test_parts_and_formats_of_vllm_are_passed_on() -> None:
    messages = [{"role": "user", "content": [AUDIO]}]
    request = parse(model="m", messages=messages, response_format=TAGS).limited(
        Model("m", "m", dialect="openai")
    )
    body = json.loads(request.engine_body("openai", stream=True))
    assert (body["messages"], body["response_format"]) == (messages, TAGS)


@pytest.mark.parametrize(
    "members",
    [
        {"echo": False, "suffix": "", "n": 1, "best_of": 1, "functions": [], "modalities": ["text"]},
        {"response_format": schema_format(SCHEMA)},
        {"response_format": schema_format({"type": "string", "pattern": "^a$", "format": "date"})},
        {"response_format": schema_format({"enum": [{"not": 1}]})},
        {"response_format": {"type": "text", "json_schema": 1}},
        {"tools": [TOOL], "parallel_tool_calls": True},
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "llama_cpp", "tgi"])
def test_members_that_ask_for_nothing_special_are_accepted(dialect: str, members: dict[str, Any]) -> None:
    parse(model="m", messages=MESSAGES, **members).limited(Model("m", "m", dialect=dialect))


@pytest.mark.parametrize(
    ("response_format", "sent"),
    [
        (schema_format(SCHEMA), {"type": "json_object", "value": SCHEMA}),
        ({"type": "json_object"}, {"type": "json_object", "value": {"type": "object"}}),
        ({"type": "regex", "value": "a+"}, {"type": "regex", "value": "a+"}),
        ({"type": "json", "value": SCHEMA}, {"type": "json", "value": SCHEMA}),
    ],
)
def test_response_formats_of_text_generation_inference(response_format: Any, sent: Any) -> None:
    body = json.loads(
        parse(model="m", messages=MESSAGES, stop="x", response_format=response_format).engine_body(
            "tgi", stream=True
        )
    )
    assert (body["response_format"], body["stop"]) == (sent, ["x"])


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
    request = parse(model="m", messages=MESSAGES, temperature=0.5, tools=[TOOL])
    assert (request.stream, request.include_usage) == (False, False)
    assert json.loads(request.engine_body("openai", stream=True)) == {
        "messages": MESSAGES,
        "temperature": 0.5,
        "tools": [TOOL],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_client_stream_options_are_kept() -> None:
    request = parse(
        model="m", messages=MESSAGES, stream=True, stream_options={"x": 1, "include_usage": False}
    )
    assert (request.stream, request.include_usage) == (True, False)
    assert json.loads(request.engine_body("openai", stream=True))["stream_options"] == {
        "x": 1,
        "include_usage": True,
    }


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
    assert json.loads(request.engine_body("openai", stream=False)) == {"prompt": value, "stream": False}


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
        parse(model="m", messages=MESSAGES, **options).limited(LIMITED).engine_body("openai", stream=False)
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
