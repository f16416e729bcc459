"""Clients that call an API continuously, and a model whose responses the test controls."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.cloud import paced, respond, stream
from tests.support.patience import HANG_SECONDS

# Duration of a short response of a small model; requests of parallel clients overlap most of the time.
RESPONSE_SECONDS = 0.4


def echo_model_name(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    """A model that returns its own name, which identifies the release."""
    name = request["body"]["model"]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": name}
    words = [{"delta": {"role": "assistant", "content": name}}, {"delta": {}, "finish_reason": "stop"}]
    chunks = [head | {"choices": [{"index": 0, "finish_reason": None, **word}]} for word in words]
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    stream(handler, paced([*events, b"data: [DONE]\n\n"], RESPONSE_SECONDS / 3))


def broken(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    """A model that fails every request."""
    respond(handler, 500, b'{"error": {"message": "no such tensor"}}')


@dataclass
class Load:
    """Results of the clients so far.

    Attributes:
        responses: number of responses by text.
        failures: all other results.
    """

    responses: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, base_url: str, key: str) -> None:
        """Run one client until the end."""
        request = {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 8}
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=base_url, headers=headers, timeout=HANG_SECONDS) as client:
            while not self._end.is_set():
                self._send(client, request)

    def _send(self, client: httpx.Client, request: dict[str, Any]) -> None:
        start = time.time()
        try:
            response = client.post("/chat/completions", json=request)
        except httpx.HTTPError as error:
            with self._lock:
                self.failures.append(f"{start:.1f}: {type(error).__name__}: {error}")
            return
        with self._lock:
            if response.status_code == 200:
                text = response.json()["choices"][0]["message"]["content"]
                self.responses[text] = self.responses.get(text, 0) + 1
            else:
                self.failures.append(f"{start:.1f}: HTTP {response.status_code}: {response.text[:200]}")

    def stop(self) -> None:
        """Stop all clients after their current requests."""
        self._end.set()


@contextmanager
def clients(count: int, base_url: str, key: str) -> Iterator[Load]:
    """Run clients that call without a pause until the block ends."""
    load = Load()
    threads = [threading.Thread(target=load.call, args=(base_url, key)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()
