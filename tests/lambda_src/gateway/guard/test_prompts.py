from __future__ import annotations

import asyncio
import json
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

    new, replaced = asyncio.run(checked(body, roles, check))
    assert replaced == any("secret" in text for text in received if mask != "secret")
    return received, new


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


@pytest.mark.parametrize(
    "member",
    [{"chat_template": "{{ 'sec' ~ 'ret' }}", "messages": []}, {"prompt_embeds": "AAAA", "prompt": "a"}],
)
def test_members_that_create_texts_are_refused(member: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        run(member, ["user"])
    assert caught.value.param == next(iter(member))


def test_a_replacement_that_is_not_json_is_refused() -> None:
    with pytest.raises(ContentFilterError):
        run(BODY, mask='"')


@pytest.mark.parametrize(
    "escaped", [r"\u0073ecret", r"\nsecret", r"\t\u0073\u0065cret", r"\ud83d\ude00 secret"]
)
def test_engines_decode_the_escapes_of_arguments(escaped: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": f'{{"a": "{escaped}"}}'}}
    body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    received, new = run(body)
    assert "secret" in received[1] and "\\" not in received[1]
    arguments = new["messages"][0]["tool_calls"][0]["function"]["arguments"]
    plain = json.loads(f'"{escaped}"')
    assert json.loads(arguments) == {"a": plain.replace("secret", "***")}


@pytest.mark.parametrize("arguments", ['{"a": "say \\"hi\\" \\\\ \\ud83d"}', '{"a": "\\u0073', "secret \\u0"])
def test_other_arguments_stay_as_they_are(arguments: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    received, new = run({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    assert received[1] == arguments
    assert new["messages"][0]["tool_calls"][0]["function"]["arguments"] == arguments.replace("secret", "***")


def test_words_in_tools_have_their_boundaries() -> None:
    function = {"name": "f", "description": 'first line\nsecret "line" \\ \x01'}
    received, new = run({"messages": [], "tools": [{"type": "function", "function": function}]})
    assert "line\nsecret" in received[0]
    description = new["tools"][0]["function"]["description"]
    assert description == function["description"].replace("secret", "***")


def test_successive_parts_are_one_text() -> None:
    """Chat templates join them, so that a forbidden text could be split."""
    parts = [{"type": "text", "text": text} for text in ("my", "top", "secret")]
    message = {"role": "user", "content": [*parts, IMAGE, {**parts[2]}]}
    joined = {"type": "text", "text": "my\ntop\nsecret"}
    received, new = run({"messages": [message]}, mask="secret")
    assert received == ["my\ntop\nsecret", "secret"]
    assert new["messages"] == [{"role": "user", "content": [joined, IMAGE, parts[2]]}]
    assert message["content"][0] == parts[0] == {"type": "text", "text": "my"}
    assert run({"messages": [message]}, ["tool"])[1]["messages"] == [message]
