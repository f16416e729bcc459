"""OpenAI's Agents SDK, which speaks the Responses API and runs the tools."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    Runner,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from openai import APIStatusError, AsyncOpenAI

# Traces go to OpenAI.
set_tracing_disabled(True)
# The SDK fails if a response ends at its limit.
SETTINGS = ModelSettings(max_tokens=256, temperature=0)
calls: list[str] = []


@function_tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    calls.append(f"get_weather({json.dumps({'city': city})})")
    return f"sunny in {city}"


def agent(model: str, **settings: Any) -> Agent[None]:
    return Agent(name="guide", model=model, model_settings=SETTINGS, **settings)


def use(key: str) -> None:
    set_default_openai_client(AsyncOpenAI(api_key=key, max_retries=0), use_for_tracing=False)


async def chat(model: str = "smollm2", content: Any = "Say hello.") -> str:
    return str((await Runner.run(agent(model), content)).final_output)


async def chat_with_key(key: str) -> str:
    use(key)
    try:
        return await chat()
    finally:
        use(os.environ["OPENAI_API_KEY"])


async def stream() -> str:
    result = Runner.run_streamed(agent("smollm2"), "Say hello.")
    texts = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert len(texts) > 1
    assert "".join(texts) == result.final_output
    return "".join(texts)


async def tools() -> str:
    result = await Runner.run(agent("echo", tools=[get_weather]), "Say hello.")
    assert "sunny in Paris" in result.final_output
    return ", ".join(calls)


CASES: dict[str, Callable[[], Awaitable[str]]] = {
    "chat": chat,
    "streamed chat": stream,
    "tools": tools,
    "wrong key": lambda: chat_with_key("wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: chat(content=[]),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat_with_key(os.environ["SPENT_KEY"]),
    "model error": lambda: chat("broken"),
    "no capacity": lambda: chat("gone"),
}


async def outcome(case: Callable[[], Awaitable[str]]) -> dict[str, Any]:
    try:
        return {"text": await case()}
    except APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "code": error.code}


async def main() -> None:
    use(os.environ["OPENAI_API_KEY"])
    json.dump({name: await outcome(case) for name, case in CASES.items()}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
