"""Many concurrent clients: no stream is lost, mixed up or cut, and memory does not grow."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator

import openai
import psutil
import pytest

from tests.e2e.api.conftest import Api

pytestmark = pytest.mark.e2e

CLIENTS = 64
REQUESTS = 1000
WORDS = 12
# More than the model processes and queues (4 and 32).
AT_ONCE = 44


def test_a_thousand_streams_of_64_clients_are_complete(api: Api) -> None:
    asyncio.run(_ask_many(api, CLIENTS))
    before = _memory(api)
    responses = asyncio.run(_ask_many(api, REQUESTS))
    assert responses == REQUESTS
    # An instance's memory does not grow with its requests: a page for each request would be 64 MiB.
    grown = {pid: memory - before[pid] for pid, memory in _memory(api).items() if pid in before}
    assert grown
    assert max(grown.values()) < 16 * 1024 * 1024


def test_streams_are_complete_or_refused_at_the_start(api: Api) -> None:
    """The model's own queue has no limit, and its last streams would be cut when the first part is due."""
    outcomes = asyncio.run(_stream_all_at_once(api))
    assert sum(outcomes.values()) == AT_ONCE
    assert set(outcomes) <= {"complete", "rate_limit_exceeded", "model_unavailable"}
    assert outcomes["complete"] >= 4


async def _stream_all_at_once(api: Api) -> Counter[str]:
    async with openai.AsyncOpenAI(base_url=api.base_url, api_key=api.key, max_retries=0) as client:
        return Counter(await asyncio.gather(*(_stream(client) for _ in range(AT_ONCE))))


async def _stream(client: openai.AsyncOpenAI) -> str:
    try:
        stream = await client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "Count."}], max_tokens=8, stream=True
        )
    except openai.APIStatusError as refused:
        return str(refused.code)
    # From here on a failure is an exception of the client.
    reasons = [choice.finish_reason async for chunk in stream for choice in chunk.choices]
    return "complete" if reasons[-1] else "cut"


async def _ask_many(api: Api, requests: int) -> int:
    numbers = iter(range(requests))
    async with openai.AsyncOpenAI(base_url=api.base_url, api_key=api.key, max_retries=0) as client:
        counts = await asyncio.gather(*(_ask_in_turn(client, numbers) for _ in range(CLIENTS)))
    return sum(counts)


async def _ask_in_turn(client: openai.AsyncOpenAI, numbers: Iterator[int]) -> int:
    """Send a request for each number in turn; returns the number of responses."""
    responses = 0
    for number in numbers:
        words = [f"{number}-{uuid.uuid4()}" for _ in range(WORDS)]
        stream = await client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": " ".join(words)}], stream=True
        )
        text = ""
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
        assert text.split() == words
        responses += 1
    return responses


def _memory(api: Api) -> dict[int, int]:
    """Resident bytes of each gateway process."""
    status = json.loads(api.toolkit.succeed("local", "status", "--json"))
    gateways = [item["pid"] for item in status["processes"] if item["name"].endswith("gateway")]
    return {pid: psutil.Process(pid).memory_info().rss for pid in gateways}
