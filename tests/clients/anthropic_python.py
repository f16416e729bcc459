"""Anthropic's client for Python."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from anthropic import Anthropic, APIStatusError

client = Anthropic(
    base_url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1"),
    api_key=os.environ["OPENAI_API_KEY"],
    max_retries=0,
)
TOOLS: Any = [
    {
        "name": "get_weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]
ANY: Any = {"type": "any"}


def messages(content: str = "Say hello.") -> Any:
    return [{"role": "user", "content": content}]


def chat(model: str = "smollm2", content: str = "Say hello.", with_client: Anthropic = client) -> str:
    response = with_client.messages.create(model=model, max_tokens=8, messages=messages(content))
    return "".join(block.text for block in response.content if block.type == "text")


def stream() -> str:
    with client.messages.stream(model="smollm2", max_tokens=8, messages=messages()) as events:
        texts = list(events.text_stream)
        final = events.get_final_message()
    assert final.usage.output_tokens > 0
    assert len(texts) > 1
    assert client.messages.count_tokens(model="smollm2", messages=messages()).input_tokens > 0
    return "".join(texts)


def tools() -> str:
    response = client.messages.create(
        model="echo", max_tokens=64, messages=messages(), tools=TOOLS, tool_choice=ANY
    )
    (call,) = (block for block in response.content if block.type == "tool_use")
    return f"{call.name}({json.dumps(call.input)})"


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "tools": tools,
    "wrong key": lambda: chat(with_client=client.with_options(api_key="wrong-" * 6)),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: client.messages.create(model="smollm2", max_tokens=8, messages=[]).id,
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(with_client=client.with_options(api_key=os.environ["SPENT_KEY"])),
    "model error": lambda: chat("broken"),
    "no capacity": lambda: chat("gone"),
}


def outcome(case: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"text": case()}
    except APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code}


if __name__ == "__main__":
    json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)
