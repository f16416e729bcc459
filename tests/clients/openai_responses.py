"""The official client for Python, with the Responses API."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from openai import APIStatusError, OpenAI

client = OpenAI(max_retries=0)
TOOLS: Any = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    }
]


def chat(model: str = "smollm2", content: str = "Say hello.", with_client: OpenAI = client) -> str:
    return with_client.responses.create(model=model, input=content, max_output_tokens=8).output_text


def stream() -> str:
    events = client.responses.create(model="smollm2", input="Say hello.", max_output_tokens=8, stream=True)
    texts, final = [], None
    for event in events:
        if event.type == "response.output_text.delta":
            texts.append(event.delta)
        elif event.type in ("response.completed", "response.incomplete"):
            final = event.response
    assert final is not None
    assert final.usage is not None
    assert len(texts) > 1
    assert "".join(texts) == final.output_text
    return final.output_text


def tools() -> str:
    response = client.responses.create(model="echo", input="Say hello.", tools=TOOLS, tool_choice="required")
    (call,) = (item for item in response.output if item.type == "function_call")
    return f"{call.name}({call.arguments})"


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "tools": tools,
    "wrong key": lambda: chat(with_client=client.with_options(api_key="wrong-" * 6)),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: client.responses.create(model="smollm2", input=[]).id,
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
        return {"error": type(error).__name__, "status": error.status_code, "code": error.code}


if __name__ == "__main__":
    json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)
