"""OpenAI's Responses API over HTTP, read by the official client."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from tests.support.gateway import RESPONSE, delta, sse
from tests.support.lazy import lazy
from tests.support.patience import HANG_SECONDS

openai = lazy("openai")
IMAGE: Any = {"type": "input_image", "image_url": "data:image/png;base64,aGk="}
TOOL: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


def part(member: str, value: Any, finish: str | None = None) -> bytes:
    return sse({"choices": [{"index": 0, "delta": {member: value}, "finish_reason": finish}]})


def call(index: int, arguments: str, **head: Any) -> dict[str, Any]:
    return {"index": index, **head, "function": {"name": "weather", "arguments": arguments}}


USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3},
}
# Reasons, speaks, and calls a tool twice.
EVERYTHING = [
    part("reasoning_content", "Let me "),
    part("reasoning_content", "think."),
    part("content", "Grüß "),
    part("content", "dich."),
    part("tool_calls", [call(0, "", id="call_a")]),
    part("tool_calls", [call(0, '{"city": "Köln"}')]),
    part("tool_calls", [call(1, "{}", id="call_b")]),
    sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


@pytest.fixture
def sdk(client: httpx.Client) -> openai.OpenAI:
    url = f"{client.base_url}/v1"
    return openai.OpenAI(base_url=url, api_key="x", max_retries=0, timeout=HANG_SECONDS)


def test_a_text(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(*RESPONSE)
    response = sdk.responses.create(
        model="demo", input="Hello", instructions="Be brief.", max_output_tokens=5, temperature=0.5
    )
    assert response.output_text == "Grüß dich 🙂"
    assert (response.status, response.model, response.store) == ("completed", "demo", False)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 2)
    (sent,) = engine.bodies
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (sent["max_tokens"], sent["temperature"]) == (5, 0.5)
    assert not {"input", "instructions", "max_output_tokens", "store"} & sent.keys()


def test_a_whole_response_has_all_parts(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    response = sdk.responses.create(model="demo", input="Hello", tools=[TOOL])
    # The client accepts anything; the types do not.
    openai.types.responses.Response.model_validate(response.to_dict())
    reasoning, message, first, second = response.output
    assert reasoning.type == "reasoning"
    assert [content.text for content in reasoning.content or ()] == ["Let me think."]
    assert message.type == "message"
    assert response.output_text == "Grüß dich."
    assert first.type == second.type == "function_call"
    assert (first.call_id, first.name, first.arguments) == ("call_a", "weather", '{"city": "Köln"}')
    assert (second.call_id, second.arguments) == ("call_b", "{}")
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 3


def test_a_stream_builds_the_whole_response(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    whole = sdk.responses.create(model="demo", input="Hello", tools=[TOOL]).output
    with sdk.responses.stream(model="demo", input="Hello", tools=[TOOL]) as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    assert [item.type for item in streamed.output] == [item.type for item in whole]
    assert streamed.output_text == "Grüß dich."
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["Grüß ", "dich."]


def test_every_event_has_its_type_and_number(client: httpx.Client, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    body = {"model": "demo", "input": "Hello", "tools": [TOOL], "stream": True}
    text = client.post("/v1/responses", json=body).text
    event: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)
    events = []
    for lines in text.strip().split("\n\n"):
        name, data = lines.split("\n")
        events.append(event.validate_json(data.removeprefix("data: ")))
        assert name == f"event: {events[-1].type}"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]


def test_text_and_calls_of_one_response_are_one_message(sdk: openai.OpenAI, engine: Any) -> None:
    """Chat templates, such as Mistral's, refuse two messages of the assistant in a row."""
    engine.respond(*EVERYTHING)
    history: Any = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me look."},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "rain"},
    ]
    sdk.responses.create(model="demo", input=history, tools=[TOOL])
    user, assistant, result = engine.bodies[0]["messages"]
    assert (user["role"], result["role"]) == ("user", "tool")
    assert assistant["content"] == "Let me look."
    assert [call["id"] for call in assistant["tool_calls"]] == ["a"]


def test_a_conversation_with_tools(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    history: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "rain"},
        {"type": "function_call_output", "call_id": "b", "output": "snow"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "And here?"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
                {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": None},
            ],
        },
    ]
    choice: Any = {"type": "function", "name": "weather"}
    sdk.responses.create(
        model="demo", input=history, instructions="Be kind.", tools=[TOOL], tool_choice=choice
    )
    (sent,) = engine.bodies
    system, user, calls, first, second, image = sent["messages"]
    assert system == {"role": "system", "content": "Be kind.\n\nBe brief."}
    assert user == {"role": "user", "content": "Weather?"}
    assert [call["id"] for call in calls["tool_calls"]] == ["a", "b"]
    assert (first["tool_call_id"], second["content"]) == ("a", "snow")
    assert image["content"][1:] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["tools"][0]["function"]["strict"] is True


def test_a_schema_for_the_response(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(*RESPONSE)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    text: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    sdk.responses.create(model="demo", input="Hello", text=text, reasoning={"effort": "low"})
    (sent,) = engine.bodies
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": schema, "strict": True},
    }
    assert sent["reasoning_effort"] == "low"


def test_a_response_that_is_too_long_is_incomplete(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(sse(delta("Once", "length")), b"data: [DONE]\n\n")
    response = sdk.responses.create(model="demo", input="Hello", max_output_tokens=1)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    *_, last = sdk.responses.create(model="demo", input="Hello", max_output_tokens=1, stream=True)
    assert last.type == "response.incomplete"


def test_an_empty_response_has_an_empty_text(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(sse(delta("", "stop")), b"data: [DONE]\n\n")
    response = sdk.responses.create(model="demo", input="Hello")
    assert [item.type for item in response.output] == ["message"]
    assert response.output_text == ""


def test_a_failure_in_the_middle_is_an_event(sdk: openai.OpenAI, engine: Any) -> None:
    engine.respond(sse(delta("Grüß ")))
    engine.failure = ("ModelStreamError", {"Message": "x"})
    *_, last = sdk.responses.create(model="demo", input="Hello", stream=True)
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"


@pytest.mark.parametrize(
    ("members", "param", "text"),
    [
        ({"input": None}, "input", "'input' is null"),
        ({"input": [{"role": "user"}]}, "input[0].content", "is missing"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", "'message'"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "input[0].content[0].type",
            "'input_text'",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "not stored"),
        ({"background": True}, "background", "not stored"),
        ({"n": 2}, "n", "one response"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "'function'"),
        ({"tool_choice": "required"}, "tool_choice", "requires 'tools'"),
        ({"max_output_tokens": 0}, "max_output_tokens", "at least 1"),
        (
            {"model": "llama", "input": [{"role": "user", "content": [IMAGE]}]},
            "input",
            "is an image, but this model takes text only",
        ),
        ({"model": "short", "max_output_tokens": 50}, "max_output_tokens", "'max_output_tokens' is 50"),
        (
            {"model": "llama", "tools": [{**TOOL, "parameters": {"not": {}}}]},
            "tools[0].parameters.not",
            "enforced",
        ),
    ],
)
def test_mistakes_name_the_members_of_the_request(
    client: httpx.Client, members: dict[str, Any], param: str, text: str
) -> None:
    response = client.post("/v1/responses", json={"model": "demo", "input": "Hello", **members})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    assert text in error["message"]


def test_defaults_of_the_client_are_accepted(client: httpx.Client, engine: Any) -> None:
    engine.respond(*RESPONSE)
    body = {
        "model": "demo",
        "input": "Hello",
        "store": True,
        "background": False,
        "truncation": "disabled",
        "previous_response_id": None,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "x",
        "top_k": 3,
    }
    assert client.post("/v1/responses", json=body).status_code == 200
    (sent,) = engine.bodies
    assert sent["top_k"] == 3
    assert not {"store", "include", "prompt_cache_key", "truncation"} & sent.keys()


def test_a_context_that_is_exceeded_names_the_input(client: httpx.Client, engine: Any) -> None:
    message = {"error": {"message": "maximum context length", "type": "BadRequestError", "code": 400}}
    engine.respond(sse(message))
    error = client.post("/v1/responses", json={"model": "demo", "input": "Hello"}).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
