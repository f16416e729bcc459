"""curl as in the documentation; its errors are HTTP statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

BASE, KEY = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
HELLO = [{"role": "user", "content": "Say hello."}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


class StatusError(Exception):
    """The status is not 200."""


def curl(path: str, body: dict[str, Any] | None = None, key: str = KEY) -> str:
    # The body goes to standard input, because arguments have a length limit.
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--write-out", "\n%{http_code}"]
    command += ["--header", f"Authorization: Bearer {key}", "--header", "Content-Type: application/json"]
    command += ["--data-binary", "@-"] if body is not None else []
    data = None if body is None else json.dumps(body)
    result = subprocess.run(
        [*command, f"{BASE}/{path}"], input=data, capture_output=True, text=True, check=True
    )
    text, _, status = result.stdout.rpartition("\n")
    if status != "200":
        raise StatusError(int(status), json.loads(text)["error"]["code"])
    return text


def chat(model: str = "smollm2", content: str = "Say hello.", **settings: Any) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 8}
    return str(json.loads(curl("chat/completions", body, **settings))["choices"][0]["message"]["content"])


def stream() -> str:
    request = {"model": "smollm2", "messages": HELLO, "max_tokens": 8, "stream": True}
    events = curl("chat/completions", request).split("\n\n")
    assert events[-2] == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2] if event.startswith("data: ")]
    texts = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert len(texts) > 1
    return "".join(texts)


def completion() -> str:
    request = {"model": "smollm2", "prompt": "Once upon a", "max_tokens": 8}
    return str(json.loads(curl("completions", request))["choices"][0]["text"])


def tools() -> str:
    response = curl("chat/completions", {"model": "echo", "messages": HELLO, "tools": [TOOL]})
    (call,) = json.loads(response)["choices"][0]["message"]["tool_calls"]
    return f"{call['function']['name']}({call['function']['arguments']})"


def embeddings() -> str:
    response = json.loads(curl("embeddings", {"model": "embedder", "input": ["a cat", "a kitten"]}))
    return f"{len(response['data'])} of {len(response['data'][0]['embedding'])}"


def rerank() -> str:
    request = {"model": "echo", "query": "a cat", "documents": ["stocks", "a kitten"], "top_n": 1}
    (best,) = json.loads(curl("rerank", {**request, "return_documents": True}))["results"]
    scores = json.loads(curl("score", {"model": "echo", "text_1": "a cat", "text_2": ["stocks", "a kitten"]}))
    assert best["relevance_score"] == max(item["score"] for item in scores["data"])
    return str(best["document"]["text"])


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": stream,
    "completion": completion,
    "tools": tools,
    "embeddings": embeddings,
    "rerank": rerank,
    "models": lambda: ", ".join(model["id"] for model in json.loads(curl("models"))["data"]),
    "wrong key": lambda: chat(key="wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: curl("chat/completions", {"model": "smollm2", "messages": []}),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(key=os.environ["SPENT_KEY"]),
    "model error": lambda: chat("broken"),
    "no capacity": lambda: chat("gone"),
}


def outcome(case: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"text": case()}
    except StatusError as error:
        status, code = error.args
        return {"error": f"HTTP {status}", "status": status, "code": code}


if __name__ == "__main__":
    json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)
