"""Cohere's client, versions 1 and 2 of its API."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import cohere
from cohere.core import ApiError

BASE, KEY = os.environ["OPENAI_BASE_URL"].removesuffix("/v1"), os.environ["OPENAI_API_KEY"]
DOCUMENTS = ["stocks", "a kitten", "a dog"]
NO_RETRIES: Any = {"max_retries": 0}


def rerank(model: str, query: str = "a cat", documents: Any = DOCUMENTS, key: str = KEY) -> list[str]:
    client = cohere.ClientV2(api_key=key, base_url=BASE)
    response = client.rerank(
        model=model, query=query, documents=documents, top_n=2, request_options=NO_RETRIES
    )
    return [documents[result.index] for result in response.results]


def rerank_with_documents() -> list[str]:
    client = cohere.Client(api_key=KEY, base_url=BASE)
    documents: Any = [{"text": text} for text in DOCUMENTS]
    response = client.rerank(
        model="reranker",
        query="a cat",
        documents=documents,
        return_documents=True,
        request_options=NO_RETRIES,
    )
    scores = [result.relevance_score for result in response.results]
    assert scores == sorted(scores, reverse=True)
    return [result.document.text for result in response.results if result.document]


def both_versions() -> str:
    assert sorted(rerank_with_documents()) == sorted(DOCUMENTS)
    # `echo` prefers long texts.
    assert rerank("echo") == ["a kitten", "stocks"]
    return ", ".join(rerank("reranker"))


CASES: dict[str, Callable[[], Any]] = {
    "rerank": both_versions,
    "wrong key": lambda: rerank("reranker", key="wrong-" * 6),
    "unknown model": lambda: rerank("no-such-model"),
    "invalid request": lambda: rerank("reranker", documents=[]),
    "context exceeded": lambda: rerank("reranker", query="word " * 6000),
    "too large": lambda: rerank("echo", "x" * 70_000),
    "quota spent": lambda: rerank("reranker", key=os.environ["SPENT_KEY"]),
    "model error": lambda: rerank("broken"),
    "no capacity": lambda: rerank("gone"),
}


def outcome(case: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"text": case()}
    except ApiError as error:
        return {
            "error": type(error).__name__,
            "status": error.status_code,
            "code": error.body["error"]["code"],
        }


if __name__ == "__main__":
    json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)
