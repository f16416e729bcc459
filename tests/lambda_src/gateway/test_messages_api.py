"""Anthropic's Messages API over HTTP, read by the official client."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from tests.support.gateway import RESPONSE, delta, sse
from tests.support.lazy import lazy
from tests.support.patience import HANG_SECONDS

anthropic = lazy("anthropic")
HELLO: Any = [{"role": "user", "content": "Hello"}]
IMAGE: Any = {
    "role": "user",
    "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}],
}
TOOL: Any = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object"}}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3},
}


def part(member: str, value: Any) -> bytes:
    return sse({"choices": [{"index": 0, "delta": {member: value}, "finish_reason": None}]})


# Reasons, speaks, and calls a tool.
EVERYTHING = [
    part("reasoning_content", "Hm."),
    part("content", "Grüß "),
    part("content", "dich."),
    part("tool_calls", [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city": '}}]),
    part("tool_calls", [{"index": 0, "function": {"arguments": '"Köln"}'}}]),
    sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


@pytest.fixture
def sdk(client: httpx.Client) -> anthropic.Anthropic:
    url = str(client.base_url)
    return anthropic.Anthropic(base_url=url, api_key="x", max_retries=0, timeout=HANG_SECONDS)


def test_a_text(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(*RESPONSE)
    message = sdk.messages.create(
        model="demo",
        max_tokens=5,
        system="Be brief.",
        messages=HELLO,
        stop_sequences=["x"],
        extra_body={"top_k": 3},
    )
    assert [block.text for block in message.content if block.type == "text"] == ["Grüß dich 🙂"]
    assert (message.stop_reason, message.model) == ("end_turn", "demo")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 2)
    (sent,) = engine.bodies
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert (sent["max_tokens"], sent["stop"], sent["top_k"]) == (5, ["x"], 3)
    assert not {"system", "stop_sequences"} & sent.keys()


def test_a_whole_message_has_all_blocks(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    message = sdk.messages.create(model="demo", max_tokens=9, messages=HELLO, tools=[TOOL])
    # The client accepts anything; the types do not.
    anthropic.types.Message.model_validate(message.to_dict())
    thinking, text, call = message.content
    assert thinking.type == "thinking"
    assert text.type == "text"
    assert call.type == "tool_use"
    assert (thinking.thinking, text.text) == ("Hm.", "Grüß dich.")
    assert (call.id, call.name, call.input) == ("a", "weather", {"city": "Köln"})
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (4, 3)


def test_a_stream_builds_the_whole_message(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    whole = sdk.messages.create(model="demo", max_tokens=9, messages=HELLO, tools=[TOOL])
    with sdk.messages.stream(model="demo", max_tokens=9, messages=HELLO, tools=[TOOL]) as stream:
        texts = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert texts == ["Grüß ", "dich."]
    assert [block.type for block in streamed.content] == [block.type for block in whole.content]
    assert streamed.content[2] == whole.content[2]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == ("tool_use", 5)


def test_every_event_has_its_type(client: httpx.Client, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    body = {"model": "demo", "max_tokens": 9, "messages": HELLO, "stream": True}
    event: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)
    kinds = []
    for lines in client.post("/v1/messages", json=body).text.strip().split("\n\n"):
        name, data = lines.split("\n")
        kinds.append(event.validate_json(data.removeprefix("data: ")).type)
        assert name == f"event: {kinds[-1]}"
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


def test_a_conversation_with_tools(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(*EVERYTHING)
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    history: Any = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Köln"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "rain"}]},
                {"type": "text", "text": "And here?", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": source},
            ],
        },
    ]
    choice: Any = {"type": "any", "disable_parallel_tool_use": True}
    sdk.messages.create(model="demo", max_tokens=5, messages=history, tools=[TOOL], tool_choice=choice)
    (sent,) = engine.bodies
    user, assistant, tool, image = sent["messages"]
    assert user == {"role": "user", "content": "Weather?"}
    assert assistant["content"] == "I look."
    assert assistant["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Köln"}'}
    assert tool == {"role": "tool", "tool_call_id": "a", "content": "rain"}
    assert image["content"] == [
        {"type": "text", "text": "And here?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert sent["tools"][0]["function"]["parameters"] == {"type": "object"}


def test_tokens_are_counted_by_the_model(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(*RESPONSE)
    choice: Any = {"type": "any"}
    count = sdk.messages.count_tokens(model="demo", messages=HELLO, tools=[TOOL], tool_choice=choice)
    assert count.input_tokens == 5
    (sent,) = engine.bodies
    assert sent["max_tokens"] == 1
    assert "tool_choice" not in sent


def test_a_message_that_is_too_long_says_so(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(sse(delta("Once", "length")), b"data: [DONE]\n\n")
    assert sdk.messages.create(model="demo", max_tokens=1, messages=HELLO).stop_reason == "max_tokens"


def test_arguments_that_are_no_object_are_the_models_fault(sdk: anthropic.Anthropic, engine: Any) -> None:
    calls = [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city"'}}]
    choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}
    engine.respond(sse({"choices": [choice]}), b"data: [DONE]\n\n")
    with pytest.raises(anthropic.APIStatusError, match="not a JSON object") as raised:
        sdk.messages.create(model="demo", max_tokens=9, messages=HELLO, tools=[TOOL])
    assert raised.value.status_code == 502


def test_arguments_that_the_limit_cuts_off_are_no_failure(sdk: anthropic.Anthropic, engine: Any) -> None:
    """A client would retry a 502, although only a higher limit helps."""
    calls = [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city"'}}]
    choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "length"}
    engine.respond(sse({"choices": [choice]}), b"data: [DONE]\n\n")
    message = sdk.messages.create(model="demo", max_tokens=9, messages=HELLO, tools=[TOOL])
    assert message.stop_reason == "max_tokens"
    (call,) = message.content
    assert call.type == "tool_use"
    assert call.input == {}


def test_a_failure_in_the_middle_is_an_event(sdk: anthropic.Anthropic, engine: Any) -> None:
    engine.respond(sse(delta("Grüß ")))
    engine.failure = ("ModelStreamError", {"Message": "x"})
    with pytest.raises(anthropic.APIStatusError, match="in the middle"):
        list(sdk.messages.create(model="demo", max_tokens=9, messages=HELLO, stream=True))


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"max_tokens": None}, "'max_tokens' is null"),
        ({"messages": []}, "'messages' is empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
            "'messages[0].content[0].type'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "'messages[0].content[0].type' is 'audio': it must be 'image'",
        ),
        ({"model": "llama", "messages": [IMAGE]}, "'messages' is an image, but this model takes text only"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "'tools[0].type'"),
        ({"tool_choice": {"type": "any"}}, "'tool_choice' requires 'tools'"),
        ({"mcp_servers": [{"name": "x"}]}, "'mcp_servers' is not supported"),
        ({"model": "short", "max_tokens": 50}, "'max_tokens' is 50"),
        ({"model": "vectors"}, "serves embeddings, rankings and scores, not chat completions"),
    ],
)
def test_mistakes_are_invalid_requests(sdk: anthropic.Anthropic, members: dict[str, Any], text: str) -> None:
    request: Any = {"model": "demo", "max_tokens": 9, "messages": HELLO, **members}
    with pytest.raises(anthropic.BadRequestError) as raised:
        sdk.post("/v1/messages", body=request, cast_to=anthropic.types.Message)
    error: Any = raised.value.body
    assert error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error"
    assert text in error["error"]["message"]


def test_an_unknown_model_is_not_found(sdk: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as raised:
        sdk.messages.create(model="nobody", max_tokens=9, messages=HELLO)
    error: Any = raised.value.body
    assert error["error"]["type"] == "not_found_error"
