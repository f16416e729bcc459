"""LiteLLM's SDK, which has its own exceptions for all providers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

# Before the import, which would otherwise download a price list.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.suppress_debug_info = True
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def complete(model: str, messages: Any = HELLO, **settings: Any) -> Any:
    return litellm.completion(
        model=f"openai/{model}",
        messages=messages,
        api_base=os.environ["OPENAI_BASE_URL"],
        max_retries=0,
        **{"max_tokens": 8, **settings},
    )


def chat(model: str = "smollm2", content: str = "Say hello.", **settings: Any) -> str:
    response = complete(model, [{"role": "user", "content": content}], **settings)
    return str(response.choices[0].message.content)


def stream() -> str:
    texts = [chunk.choices[0].delta.content for chunk in complete("smollm2", stream=True)]
    texts = [text for text in texts if text]
    assert len(texts) > 1
    return "".join(texts)


def completion() -> str:
    response = litellm.text_completion(
        model="text-completion-openai/smollm2",
        prompt="Once upon a",
        api_base=os.environ["OPENAI_BASE_URL"],
        max_tokens=8,
        max_retries=0,
    )
    return str(response.choices[0].text)


def tools() -> str:
    (call,) = complete("echo", tools=TOOLS, tool_choice="required").choices[0].message.tool_calls
    return f"{call.function.name}({call.function.arguments})"


def embeddings() -> str:
    response = litellm.embedding(
        model="openai/embedder", input=["a cat", "a kitten"], api_base=os.environ["OPENAI_BASE_URL"]
    )
    return f"{len(response.data)} of {len(response.data[0]['embedding'])}"


def rerank() -> str:
    # The provider for Jina's shape drops the path of the API's URL.
    response = litellm.rerank(
        model="hosted_vllm/reranker",
        query="a cat",
        documents=["stocks", "a kitten"],
        top_n=1,
        api_base=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
    )
    (best,) = response.results
    return str(best["index"])


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "completion": completion,
    "tools": tools,
    "embeddings": embeddings,
    "rerank": rerank,
    "wrong key": lambda: chat(api_key="wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: chat(max_tokens=-1),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(api_key=os.environ["SPENT_KEY"]),
    "model error": lambda: chat("broken"),
    "no capacity": lambda: chat("gone"),
}


def outcome(case: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"text": case()}
    except Exception as error:
        # LiteLLM's exceptions have no common base class.
        if not type(error).__module__.startswith("litellm"):
            raise
        return {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
        }


if __name__ == "__main__":
    json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)
