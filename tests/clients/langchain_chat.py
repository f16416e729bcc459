"""LangChain's ChatOpenAI, OpenAI and OpenAIEmbeddings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from openai import APIStatusError

MESSAGES = [("user", "Say hello.")]


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def model(name: str = "smollm2", **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, max_retries=0, max_tokens=8, **settings)


def chat(name: str = "smollm2", content: str = "Say hello.", **settings: Any) -> str:
    return str(model(name, **settings).invoke([("user", content)]).content)


def stream() -> str:
    texts = [str(chunk.content) for chunk in model().stream(MESSAGES) if chunk.content]
    assert len(texts) > 1
    return "".join(texts)


def tools() -> str:
    (call,) = model("echo").bind_tools([get_weather]).invoke(MESSAGES).tool_calls
    return f"{call['name']}({json.dumps(call['args'])})"


def embeddings() -> str:
    # The check uses OpenAI's tokenizer, which does not fit other models.
    embedder = OpenAIEmbeddings(model="embedder", check_embedding_ctx_length=False, max_retries=0)
    vectors = embedder.embed_documents(["a cat", "a kitten"])
    return f"{len(vectors)} of {len(vectors[0])}"


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "completion": lambda: OpenAI(model="smollm2", max_tokens=8, max_retries=0).invoke("Once upon a"),
    "tools": tools,
    "embeddings": embeddings,
    "wrong key": lambda: chat(api_key="wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: str(model().invoke([]).content),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(api_key=os.environ["SPENT_KEY"]),
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
