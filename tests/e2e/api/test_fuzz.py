"""Requests that are almost valid, damaged or given up: the API refuses them, and nothing behind it fails.

FUZZ_EXAMPLES=5000 searches longer, with other examples on each run.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.api.conftest import Api
from tests.support.cloudlog import assert_handled, assert_no_unhandled_exceptions
from tests.support.mutations import (
    CHATS,
    COMPLETIONS,
    EMBEDDINGS,
    MESSAGES,
    RERANKS,
    RESPONSES,
    SCORES,
    damaged,
    encoded,
    mutations,
)
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
STEADY = "FUZZ_EXAMPLES" not in os.environ
# The embeddings model does not generate text, and the other one has no embeddings: both are mistakes, too.
MODELS = ("smollm2", "smollm2", "embedder")
RANKERS = ("reranker", "reranker", "embedder")
OPERATIONS = {
    "chat/completions": CHATS,
    "completions": COMPLETIONS,
    "embeddings": EMBEDDINGS,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "rerank": RERANKS,
    "score": SCORES,
}
# The other operations' streams end with [DONE].
LAST_EVENTS = {
    "responses": ("event: response.completed", "event: response.incomplete"),
    "messages": ("event: message_stop",),
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """An operation, and a body for it."""
    operation = draw(st.sampled_from(tuple(OPERATIONS)))
    body = draw(mutations(OPERATIONS[operation]))
    models = RANKERS if operation in ("rerank", "score") else MODELS
    if operation not in ("embeddings", "rerank", "score"):
        # Short responses, whatever became of the other limits; llama.cpp prefers this one.
        body["n_predict"] = 3
    content = encoded({"model": draw(st.sampled_from(models)), **body})
    return operation, draw(damaged(content)) if draw(st.integers(0, 9)) == 0 else content


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {api.key}", "content-type": "application/json"}
    with httpx.Client(base_url=api.base_url, headers=headers, timeout=HANG_SECONDS) as client:
        yield client


@settings(max_examples=EXAMPLES, derandomize=STEADY)
@given(request=requests())
def test_no_request_makes_the_server_fail(client: httpx.Client, request: tuple[str, bytes]) -> None:
    operation, body = request
    response = client.post(f"/{operation}", content=body)
    assert response.status_code in (200, 400, 404), response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        events = [event for event in response.text.split("\n\n") if event and not event.startswith(":")]
        assert "error" not in "".join(_names(events[:-1]))
        assert events[-1].startswith(LAST_EVENTS.get(operation, ("data: [DONE]",))), events[-1]
    elif response.status_code == 200:
        assert set(response.json()) & {"choices", "data", "output", "content", "results"}
    else:
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        # Anthropic distinguishes them.
        kinds = {"invalid_request_error", *({"not_found_error"} if operation == "messages" else ())}
        assert error["type"] in kinds


def _names(events: list[str]) -> list[str]:
    """The names of events, or of the members of those without a name."""
    return [
        event.partition("\n")[0] if event.startswith("event: ") else str(sorted(json.loads(event[6:])))
        for event in events
    ]


@settings(max_examples=EXAMPLES // 20, derandomize=STEADY)
@given(
    sent=st.sampled_from((0.1, 0.5, 0.8, 0.95, 1, 1, 1, 1, 1)),
    received=st.integers(0, 4),
    stream=st.booleans(),
    abort=st.booleans(),
)
def test_clients_may_disconnect_at_any_moment(
    api: Api, sent: float, received: int, stream: bool, abort: bool
) -> None:
    url = urlsplit(api.base_url)
    message = {"role": "user", "content": "Tell a story."}
    body = encoded({"model": "smollm2", "messages": [message], "max_tokens": 16, "stream": stream})
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\nx-api-key: {api.key}\r\n"
    # Without a kept connection, reading ends with the response.
    request = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection((url.hostname, url.port), HANG_SECONDS) as connection:
        connection.sendall(request[: int(len(request) * sent)])
        for _ in range(received if sent == 1 else 0):
            connection.recv(400)
        if abort:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_nothing_behind_the_api_failed(api: Api, client: httpx.Client) -> None:
    """After the requests above; the end of the session checks the log again."""
    for model in {*MODELS, *RANKERS}:
        assert _server_errors(api, model) == 0
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    assert client.post("/chat/completions", json=body).status_code == 200
    assert_no_unhandled_exceptions(api.toolkit.project / "build" / ".cloud" / "cloud.log")
    logs = api.toolkit.client("logs").get_paginator("filter_log_events")
    group = "/aws/lambda/llm-clients-gateway"
    events = [event for page in logs.paginate(logGroupName=group) for event in page["events"]]
    assert events
    assert_handled([event["message"] for event in events], group)


def _server_errors(api: Api, model: str) -> float:
    """The metric of the alarms that roll releases back."""
    statistics = api.toolkit.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": api.outputs["models"][model]["endpoint_name"]},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        StartTime=datetime.now(UTC) - timedelta(hours=3),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in statistics["Datapoints"])
