"""LlamaIndex's classes for OpenAI-compatible APIs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from openai import APIStatusError

BASE, KEY = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def model(name: str = "smollm2", key: str = KEY, **settings: Any) -> OpenAILike:
    settings = {"is_chat_model": True, "max_tokens": 8, **settings}
    return OpenAILike(model=name, api_base=BASE, api_key=key, max_retries=0, **settings)


def messages(content: str = "Say hello.") -> list[ChatMessage]:
    return [ChatMessage(role="user", content=content)]


def chat(name: str = "smollm2", content: str = "Say hello.", **settings: Any) -> str:
    return str(model(name, **settings).chat(messages(content)).message.content)


def stream() -> str:
    texts = [part.delta for part in model().stream_chat(messages()) if part.delta]
    assert len(texts) > 1
    return "".join(texts)


def tools() -> str:
    llm = model("echo", is_function_calling_model=True)
    tool = FunctionTool.from_defaults(get_weather)
    response = llm.chat_with_tools([tool], user_msg="Say hello.")
    (call,) = llm.get_tool_calls_from_response(response)
    return f"{call.tool_name}({json.dumps(call.tool_kwargs)})"


def embeddings() -> str:
    embedder = OpenAILikeEmbedding(model_name="embedder", api_base=BASE, api_key=KEY, max_retries=0)
    vectors = embedder.get_text_embedding_batch(["a cat", "a kitten"])
    return f"{len(vectors)} of {len(vectors[0])}"


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "completion": lambda: model(is_chat_model=False).complete("Once upon a").text,
    "tools": tools,
    "embeddings": embeddings,
    "wrong key": lambda: chat(key="wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: str(model().chat([]).message.content),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(key=os.environ["SPENT_KEY"]),
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
