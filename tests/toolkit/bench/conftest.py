"""An API in the test process, whose responses the tests control, and load on it."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cloud import Engine, respond, stream
from toolkit.bench.generator import Load, Runner, Settings, Stop
from toolkit.bench.results import Stage
from toolkit.bench.targets import Api, Target
from toolkit.bench.workload import Conversation

Handler = http.server.BaseHTTPRequestHandler


def event(**members: Any) -> bytes:
    return f"data: {json.dumps(members)}\n\n".encode()


def delta(text: str | None = None, finish_reason: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **members}, "finish_reason": finish_reason}
    return event(model="small", choices=[choice], usage=None)


def usage(input_tokens: int, output_tokens: int) -> bytes:
    counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    return event(model="small", choices=[], usage=counts)


DONE = b"data: [DONE]\n\n"


def completion(*texts: str, output_tokens: int | None = None) -> list[bytes]:
    """The events of a response to a prompt of seven tokens, one token each."""
    counts = usage(7, len(texts) if output_tokens is None else output_tokens)
    return [delta(role="assistant"), *map(delta, texts), delta(finish_reason="length"), counts, DONE]


@dataclass
class Prompts:
    """Numbered prompts.

    Attributes:
        turns: of each conversation.
        numbers: of the conversations that were sent.
        before: called with the number of each.
    """

    turns: int = 1
    numbers: list[int] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None

    def conversation(self, number: int) -> Conversation:
        self.before(number)
        self.numbers.append(number)
        prompts = tuple({"role": "user", "content": f"{number}" + "?" * turn} for turn in range(self.turns))
        return Conversation((), prompts, (2,) * self.turns)


@dataclass
class Server:
    """A server of chat completions.

    Attributes:
        engine: the server.
        events: the events of each response, by the number of its prompt.
    """

    engine: Engine
    events: Callable[[str], Iterable[bytes]] = lambda _: completion("Hello", " there")

    def __post_init__(self) -> None:
        self.engine.behaviour = self._stream

    def _stream(self, handler: Handler, request: dict[str, Any]) -> None:
        # A client that does not wait any longer is gone.
        with contextlib.suppress(ConnectionError):
            stream(handler, iter(self.events(request["body"]["messages"][-1]["content"])))

    def refuse(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """Respond with an error from now on."""

        def behave(handler: Handler, _: dict[str, Any]) -> None:
            if headers is None:
                respond(handler, status, json.dumps(body).encode())
                return
            content = json.dumps(body).encode()
            handler.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        self.engine.behaviour = behave

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The requests."""
        return [request["body"] for request in self.engine.requests]

    @property
    def target(self) -> Api:
        return Api(self.engine.url, "small", {"authorization": "Bearer sk-secret"})

    def measure(
        self,
        load: Load,
        prompts: Prompts | None = None,
        stop: Callable[[Stop], None] = lambda _: None,
        target: Target | None = None,
        **settings: Any,
    ) -> Stage:
        """Measure a stage; `stop` gets what ends it early."""

        async def run() -> Stage:
            runner = Runner(target or self.target, prompts or Prompts(), Settings(**settings))
            end = Stop()
            stop(end)
            try:
                return await runner.measure(load, end)
            finally:
                runner.close()

        return asyncio.run(run())


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture
def server(engine: Engine) -> Server:
    engine.requests.clear()
    return Server(engine)
