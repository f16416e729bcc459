"""The official client for Python."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from openai import APIStatusError, OpenAI

client = OpenAI(max_retries=0)
HELLO: Any = [{"role": "user", "content": "Say hello."}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def chat(model: str = "smollm2", content: str = "Say hello.", with_client: OpenAI = client) -> str:
    messages: Any = [{"role": "user", "content": content}]
    response = with_client.chat.completions.create(model=model, messages=messages, max_tokens=8)
    return response.choices[0].message.content or ""


def stream() -> str:
    chunks = client.chat.completions.create(
        model="smollm2", messages=HELLO, max_tokens=8, stream=True, stream_options={"include_usage": True}
    )
    texts, usage = [], None
    for chunk in chunks:
        texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        usage = chunk.usage or usage
    assert usage is not None
    assert len(texts) > 1
    return "".join(texts)


def completion() -> str:
    return client.completions.create(model="smollm2", prompt="Once upon a", max_tokens=8).choices[0].text


def tools() -> str:
    response = client.chat.completions.create(
        model="echo", messages=HELLO, tools=TOOLS, tool_choice="required"
    )
    (call,) = response.choices[0].message.tool_calls or []
    assert call.type == "function"
    return f"{call.function.name}({call.function.arguments})"


def embeddings() -> str:
    response = client.embeddings.create(model="embedder", input=["a cat", "a kitten"])
    return f"{len(response.data)} of {len(response.data[0].embedding)}"


def models() -> str:
    names = [model.id for model in client.models.list()]
    assert client.models.retrieve("smollm2").id == "smollm2"
    return ", ".join(names)


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "completion": completion,
    "tools": tools,
    "embeddings": embeddings,
    "models": models,
    "wrong key": lambda: chat(with_client=client.with_options(api_key="wrong-" * 6)),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: client.chat.completions.create(model="smollm2", messages=[]).id,
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
