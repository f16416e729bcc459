from __future__ import annotations

from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT, Chunks, Identity, RequiredToolCall, Shape, TotalUsage
from gateway.completion import completion
from gateway.errors import InvalidRequestError
from gateway.pipeline import Pipeline
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import read, stream


def assembled(*documents: dict[str, Any], shape: Shape = CHAT) -> dict[str, Any]:
    return completion(read(Chunks(Identity("chatcmpl-1", "demo", 1), shape), documents), shape)


def choice(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


def test_text_usage_and_reason() -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    whole = assembled(
        choice({"role": "assistant", "content": None}),
        choice({"content": "Hel"}),
        choice({"content": "lo"}, "length"),
        {"choices": [], "usage": usage},
    )
    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "demo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": usage,
    }


def test_tool_calls_are_joined_by_index() -> None:
    def call(index: int, arguments: str, **head: Any) -> dict[str, Any]:
        name = {"name": head.pop("name")} if "name" in head else {}
        return {"index": index, "function": {**name, "arguments": arguments}, **head}

    whole = assembled(
        choice({"role": "assistant", "tool_calls": [call(0, "", id="a", type="function", name="weather")]}),
        choice({"tool_calls": [call(0, '{"city":')]}),
        choice({"tool_calls": [call(1, '{"x', id="b", type="function", name="time")]}),
        choice({"tool_calls": [call(0, '"Rome"}'), call(1, '":1}')]}, "tool_calls"),
    )
    assert whole["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
            {"id": "b", "type": "function", "function": {"name": "time", "arguments": '{"x":1}'}},
        ],
    }
    assert whole["choices"][0]["finish_reason"] == "tool_calls"


def test_logprobs_are_joined_per_choice() -> None:
    whole = assembled(
        choice({"content": "a"}, logprobs={"content": [{"token": "a"}]}),
        {"choices": [{"index": 1, "delta": {"content": "z"}, "finish_reason": "stop"}]},
        choice({"content": "b"}, "stop", logprobs={"content": [{"token": "b"}], "refusal": None}),
    )
    first, second = whole["choices"]
    assert first["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}
    assert first["message"]["content"] == "ab"
    assert second["message"]["content"] == "z"


def test_reasoning_is_kept() -> None:
    whole = assembled(
        choice({"reasoning_content": "h"}), choice({"reasoning_content": "m"}), choice({}, "stop")
    )
    assert whole["choices"][0]["message"]["reasoning_content"] == "hm"


def test_an_empty_response_is_an_empty_text() -> None:
    whole = assembled(choice({"role": "assistant", "content": None}), choice({}, "stop"))
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": ""}


def test_token_counts_of_all_choices_are_added() -> None:
    def counts(completion: int) -> dict[str, Any]:
        usage = {"prompt_tokens": 5, "completion_tokens": completion, "total_tokens": 5 + completion}
        return {"choices": [], "usage": usage}

    documents = (choice({"content": "a"}, "stop"), counts(2), choice({"content": "b"}, "length"), counts(3))
    identity = Identity("chatcmpl-1", "demo", 1)
    *streamed, last = read(Pipeline(Chunks(identity, CHAT), TotalUsage(2)), documents)
    assert [chunk["usage"] for chunk in streamed] == [None, None]
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


def test_a_required_tool_call_that_does_not_come_is_an_error() -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called = [choice({"reasoning_content": "h"}), choice({"tool_calls": [call]}), choice({}, "tool_calls")]
    identity = Identity("chatcmpl-1", "demo", 1)
    assert len(read(Pipeline(Chunks(identity, CHAT), RequiredToolCall()), called)) == 3
    ignored = [choice({"content": "Hello"}), choice({}, "stop")]
    response = stream(Pipeline(Chunks(identity, CHAT), RequiredToolCall()), ignored)
    with pytest.raises(InvalidRequestError) as caught:
        next(response)
    assert caught.value.param == "tool_choice"


@given(st.text(), st.lists(st.integers(0, 50)))
def test_streamed_and_whole_responses_are_equal(text: str, cuts: list[int]) -> None:
    positions = sorted({min(cut, len(text)) for cut in cuts})
    parts = [text[a:b] for a, b in zip([0, *positions], [*positions, len(text)], strict=True)]
    streamed = assembled(*(choice({"content": part}) for part in parts), choice({}, "stop"))
    message = {"role": "assistant", "content": text}
    whole = assembled({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert streamed == whole


def test_plain_completions_join_texts_and_logprobs() -> None:
    def text(text: str, offset: int, finish: str | None = None, index: int = 0) -> dict[str, Any]:
        logprobs = {"tokens": [text], "token_logprobs": [-0.5], "text_offset": [offset]}
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
        return {"choices": [choice]}

    whole = assembled(text("Hel", 0), text("x", 0, "stop", index=1), text("lo", 3, "length"), shape=TEXT)
    assert whole["object"] == "text_completion"
    assert whole["choices"] == [
        {
            "index": 0,
            "text": "Hello",
            "logprobs": {"tokens": ["Hel", "lo"], "token_logprobs": [-0.5, -0.5], "text_offset": [0, 3]},
            "finish_reason": "length",
        },
        {
            "index": 1,
            "text": "x",
            "logprobs": {"tokens": ["x"], "token_logprobs": [-0.5], "text_offset": [0]},
            "finish_reason": "stop",
        },
    ]
