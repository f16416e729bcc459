"""Streamed answers, from a model that goes on only when its reader has what it said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.api.conftest import Api, spoken
from tests.support.cloud import stream
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e

WORDS = ["one ", "after ", "the ", "other "]


@pytest.fixture
def received(api: Api) -> Iterator[threading.Semaphore]:
    """What lets the model say its next word."""
    semaphore, usual = threading.Semaphore(0), api.engine.behaviour

    def one_by_one() -> Iterator[bytes]:
        for event in spoken([{"delta": {"content": word}} for word in WORDS], {"delta": {}}, "stop"):
            yield event
            if b'"content"' in event:
                semaphore.acquire(timeout=HANG_SECONDS)

    def speak(handler: Any, _: dict[str, Any]) -> None:
        stream(handler, one_by_one())

    api.engine.behaviour = speak
    yield semaphore
    api.engine.behaviour = usual


def test_a_streamed_answer_arrives_while_it_is_made(api: Api, received: threading.Semaphore) -> None:
    client = openai.OpenAI(base_url=api.base_url, api_key=api.key, max_retries=0)
    said = []
    for chunk in client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "?"}], stream=True
    ):
        if chunk.choices[0].delta.content:
            said.append(chunk.choices[0].delta.content)
            received.release()
    assert said == WORDS
