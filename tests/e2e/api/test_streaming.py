"""Streamed responses of a model that waits until the client has received each chunk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.api.conftest import Api, events
from tests.support.cloud import stream
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e

WORDS = ["one ", "after ", "the ", "other "]


@pytest.fixture
def received(api: Api) -> Iterator[threading.Semaphore]:
    """Released for each chunk that the client has received."""
    semaphore, behaviour = threading.Semaphore(0), api.engine.behaviour

    def one_by_one() -> Iterator[bytes]:
        for event in events([{"delta": {"content": word}} for word in WORDS], {"delta": {}}, "stop"):
            yield event
            if b'"content"' in event:
                semaphore.acquire(timeout=HANG_SECONDS)

    def respond(handler: Any, _: dict[str, Any]) -> None:
        stream(handler, one_by_one())

    api.engine.behaviour = respond
    yield semaphore
    api.engine.behaviour = behaviour


def test_chunks_arrive_before_the_model_finishes(api: Api, received: threading.Semaphore) -> None:
    client = openai.OpenAI(base_url=api.base_url, api_key=api.key, max_retries=0)
    texts = []
    for chunk in client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "?"}], stream=True
    ):
        if chunk.choices[0].delta.content:
            texts.append(chunk.choices[0].delta.content)
            received.release()
    assert texts == WORDS
