from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.children import reserved_port

BEHAVIOUR = {
    "start_seconds": 0,
    "first_token_seconds": 0,
    "token_seconds": 0,
    "error_percent": 0,
    "exits": False,
}
Start = Callable[..., httpx.Client]


def launch(port: int, **behaviour: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "toolkit.local.serving.stand_in", json.dumps(BEHAVIOUR | behaviour)]
    names = {"SAGEMAKER_BIND_TO_PORT": str(port), "SM_VLLM_SERVED_MODEL_NAME": "served"}
    return subprocess.Popen(command, env=os.environ | names)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a stand-in; returns a client of it."""
    processes, clients = [], []

    def listening(client: httpx.Client) -> bool:
        try:
            return client.get("/ping").status_code > 0
        except httpx.ConnectError:
            return False

    def start(**behaviour: Any) -> httpx.Client:
        port = reserved_port()
        processes.append(launch(port, **behaviour))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=HANG_SECONDS)
        clients.append(client)
        wait_for(lambda: listening(client), "the stand-in")
        return client

    yield start
    for client in clients:
        client.close()
    for process in processes:
        process.terminate()
        process.wait(HANG_SECONDS)


def test_it_is_healthy_after_its_start_time(start: Start) -> None:
    assert start().get("/ping").status_code == 200
    assert start(start_seconds=3600).get("/ping").status_code == 503


def test_it_answers_the_operation_that_the_members_select(start: Start) -> None:
    client = start()

    def invoke(**body: Any) -> Any:
        response = client.post("/invocations", json={"model": "m", **body})
        assert response.status_code == 200
        return response.json()

    chat = invoke(messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
    assert chat["choices"][0]["message"]["content"] == "This is"
    assert chat["model"] == "served"
    assert (chat["choices"][0]["finish_reason"], chat["usage"]["completion_tokens"]) == ("length", 2)
    assert invoke(prompt="Hi")["choices"][0]["finish_reason"] == "stop"
    assert len(invoke(input=["a", "b"])["data"]) == 2
    assert [item["index"] for item in invoke(query="q", documents=["a", "b"])["results"]] == [0, 1]
    assert len(invoke(text_1="a", text_2=["b", "c"])["data"]) == 2
    assert len(invoke(inputs=["a"])) == 1
    assert [item["index"] for item in invoke(query="q", texts=["a", "b"])] == [0, 1]


def test_it_streams_tokens_and_their_number(start: Start) -> None:
    body = {"messages": [], "max_tokens": 3, "stream": True, "stream_options": {"include_usage": True}}
    lines = start().post("/invocations", json=body).text.split("\n\n")
    *events, last, usage, end, _ = [line.removeprefix("data: ") for line in lines]
    text = "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events)
    assert (text, end) == ("This is a", "[DONE]")
    assert json.loads(last)["choices"][0]["finish_reason"] == "length"
    assert json.loads(usage)["usage"]["completion_tokens"] == 3


def test_it_fails_as_often_as_it_is_told(start: Start) -> None:
    assert start(error_percent=100).post("/invocations", json={"messages": []}).status_code == 500


def test_it_can_exit_at_its_start() -> None:
    assert launch(reserved_port(), exits=True).wait(HANG_SECONDS) == 1
