from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from gateway.errors import ContentFilterError, InvalidRequestError
from gateway.guard.prompts import checked

ROLES = ("system", "user", "assistant", "tool")
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,secret"}}
FUNCTION = {"name": "f", "description": "a secret", "parameters": {"type": "object"}}
BODY: dict[str, Any] = {
    "model": "secret",
    "temperature": 0.5,
    "stream": True,
    "messages": [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "my secret"}, IMAGE]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "secret",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": "secret"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "secret", "content": "the secret"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "chat_template_kwargs": {"note": "secret"},
}


def run(
    body: dict[str, Any], roles: Sequence[str] = ROLES, mask: str = "***"
) -> tuple[list[str], dict[str, Any]]:
    received: list[str] = []

    async def check(texts: Sequence[str]) -> list[str]:
        received.extend(texts)
        return [text.replace("secret", mask) for text in texts]

    return received, asyncio.run(checked(body, roles, check))


def test_everything_that_the_model_reads_is_checked() -> None:
    received, new = run(BODY)
    assert received == [
        *("be kind", "my secret", "", "f", '{"a": "secret"}', "the secret"),
        '[{"type": "function", "function": {"name": "f", "description": "a secret", '
        '"parameters": {"type": "object"}}}]',
        '{"note": "secret"}',
    ]
    user, assistant, tool = new["messages"][1:]
    assert user["content"] == [{"type": "text", "text": "my ***"}, IMAGE]
    assert assistant["tool_calls"][0]["function"]["arguments"] == '{"a": "***"}'
    assert (tool["content"], tool["tool_call_id"]) == ("the ***", "secret")
    assert new["tools"][0]["function"]["description"] == "a ***"
    assert (new["model"], BODY["messages"][3]["content"]) == ("secret", "the secret")


def test_messages_of_other_roles_pass() -> None:
    received, new = run(BODY, ["user"])
    assert received == ["my secret"]
    assert new["tools"] == BODY["tools"]


def test_a_request_without_replacements_is_the_same_object() -> None:
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    assert run(body)[1] is body


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ({"prompt": "a secret", "suffix": "b"}, ["a secret", "b"]),
        ({"prompt": ["a", "secret"]}, ["a", "secret"]),
        ({"input": ["a", "secret"], "encoding_format": "float"}, ["a", "secret"]),
        ({"query": "secret", "documents": ["a", {"text": "b", "id": "c"}]}, ["secret", "a", "b"]),
    ],
)
def test_inputs_of_other_apis(body: dict[str, Any], received: list[str]) -> None:
    # The roles are those of messages.
    assert run(body, ["user"])[0] == received


@pytest.mark.parametrize(
    ("value", "param"), [([1, 2], "prompt"), ([[1], [2]], "prompt[0]"), (["a", [2]], "prompt[1]")]
)
def test_token_numbers_cannot_be_checked(value: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        run({"prompt": value})
    assert caught.value.param == param


def test_a_replacement_that_is_not_json_is_refused() -> None:
    with pytest.raises(ContentFilterError):
        run(BODY, mask='"')
