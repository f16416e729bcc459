"""Clients that invoke an endpoint without a pause, and record the results."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.cloud import Aws
from tests.support.patience import HANG_SECONDS

PROMPT = b'{"prompt": "p"}'


@dataclass
class Load:
    """Constant load.

    Attributes:
        responses: complete bodies, in order of arrival.
        errors: failures.
    """

    runtime: Any
    endpoint: str
    responses: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def _work(self, invoke: Any) -> None:
        while not self._over.is_set():
            try:
                self.responses.append(invoke())
            except Exception as error:  # noqa: BLE001 any exception is a client's result
                self.errors.append(error)

    def invoke(self) -> Any:
        response = self.runtime.invoke_endpoint(EndpointName=self.endpoint, Body=PROMPT)
        return json.loads(response["Body"].read())

    def stream(self) -> Any:
        response = self.runtime.invoke_endpoint_with_response_stream(EndpointName=self.endpoint, Body=PROMPT)
        return json.loads(b"".join(event["PayloadPart"]["Bytes"] for event in response["Body"]))


@contextlib.contextmanager
def load(aws: Aws, endpoint: str, *, plain: int = 1, streaming: int = 0) -> Iterator[Load]:
    """Produce constant load while the block runs, with this number of clients of each kind."""
    running = Load(aws("sagemaker-runtime", max_pool_connections=plain + streaming), endpoint)
    threads = [threading.Thread(target=running._work, args=[running.invoke]) for _ in range(plain)]
    threads += [threading.Thread(target=running._work, args=[running.stream]) for _ in range(streaming)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running._over.set()
        for thread in threads:
            thread.join(HANG_SECONDS)
