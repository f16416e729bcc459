"""OpenAI's client, unchanged, against the deployed API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e

MESSAGES: Any = [{"role": "user", "content": "Count from one to twenty in words."}]
# A small model does not stop after one sentence of this.
STORY: Any = [{"role": "user", "content": "Tell me a long story about a lighthouse and its keeper."}]


@pytest.fixture
def client(deployed: Deployed) -> openai.OpenAI:
    return openai.OpenAI(base_url=deployed.outputs["api_base_url"], api_key=deployed.api_key, max_retries=0)


def test_chat(client: openai.OpenAI) -> None:
    response = client.chat.completions.create(
        model="smollm2", messages=MESSAGES, max_tokens=32, temperature=0
    )
    assert response.choices[0].message.content
    assert response.usage is not None
    assert 0 < response.usage.completion_tokens <= 32


def test_a_streamed_chat(client: openai.OpenAI) -> None:
    """`tests/e2e/api/test_streaming.py` tests that chunks arrive before the model finishes."""
    stream = client.chat.completions.create(
        model="smollm2",
        messages=STORY,
        max_tokens=64,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = stream
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert last.usage is not None
    assert 1 < len(texts) <= last.usage.completion_tokens <= 64
    assert "".join(texts).strip()


def test_operations_that_awss_image_does_not_serve_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="smollm2", prompt="Once upon a time")
    assert caught.value.param == "model"
    assert "The model 'smollm2' serves chat completions, not completions." in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Once upon a time", "max_tokens": 1},
        {"input": "a lighthouse"},
        {"query": "a", "documents": ["b"]},
    ],
)
def test_awss_image_takes_every_invocation_for_a_chat(deployed: Deployed, body: dict[str, Any]) -> None:
    """Without the gateway: llama.cpp misses the messages, as on AWS."""
    runtime = deployed.toolkit.client("sagemaker-runtime")
    endpoint = deployed.outputs["models"]["smollm2"]["endpoint_name"]
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=json.dumps(body))
    assert "messages" in caught.value.response["OriginalMessage"]
    assert caught.value.response["OriginalStatusCode"] in (400, 500)


def test_embeddings_of_a_chat_model_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="smollm2", input="a lighthouse")
    assert caught.value.param == "model"


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["smollm2"]
    assert client.models.retrieve("smollm2").object == "model"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-unknown", messages=MESSAGES)
    assert caught.value.code == "model_not_found"
    assert "gpt-unknown" in caught.value.message


def test_malformed_json_is_a_bad_request(deployed: Deployed) -> None:
    response = httpx.post(
        f"{deployed.outputs['api_base_url']}/chat/completions",
        content=b'{"model": "smollm2", "messages": [',
        headers={"Authorization": f"Bearer {deployed.api_key}", "Content-Type": "application/json"},
        timeout=HANG_SECONDS,
    )
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_wrong_key_does_not_invoke_the_gateway(deployed: Deployed) -> None:
    before = _gateway_invocations(deployed)
    client = openai.OpenAI(base_url=deployed.outputs["api_base_url"], api_key="wrong-" * 6, max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="smollm2", messages=MESSAGES)
    assert caught.value.type == "invalid_request_error"
    assert _gateway_invocations(deployed) == before


def test_requests_without_a_key_are_refused(deployed: Deployed) -> None:
    response = httpx.get(f"{deployed.outputs['api_base_url']}/models", timeout=HANG_SECONDS)
    assert response.status_code == 401
    assert "error" in response.json()


def _gateway_invocations(deployed: Deployed) -> int:
    logs = deployed.toolkit.client("logs")
    group = deployed.outputs["log_groups"]["gateway"]
    return sum(
        event["message"].startswith("START ")
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    )
