"""Load on the API during a rehearsal: requests at a steady rate, and what happened to each of them."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

from toolkit.bench import targets
from toolkit.bench.generator import NO_TEXT, Runner, Settings
from toolkit.bench.targets import Api, Target
from toolkit.bench.workload import NoWorkload
from toolkit.chat.session import open_session
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.environment import Model
from toolkit.rehearsal.results import Request
from toolkit.smoke.replies import REQUESTS
from toolkit.smoke.results import Task

# Per second: little enough for the processors of a build server.
DEFAULT_RATE: Final = 5.0
# The SageMaker runtime ends a response that is not streamed after 60 s.
_TIMEOUT_SECONDS: Final = 60.0
# The generator must not overload the machine when a model hangs.
MOST_IN_FLIGHT: Final = 100
# How long the last requests may take after the end of the load.
_LAST_SECONDS: Final = 5.0
UNFINISHED: Final = "no response until the end of the rehearsal"
_BODY: Final[Mapping[str, Any]] = {
    "messages": [{"role": "user", "content": "Hello!"}],
    "max_tokens": 8,
}
_PATHS: Final[Mapping[Task, str]] = {"embedding": "embeddings", "ranking": "rerank"}
_POLL_SECONDS: Final = 0.05


class Load:
    """An open loop of requests to the models of an API in turn, in a thread.

    They start at random times that do not depend on responses, as those of many independent clients do.

    Args:
        apis: where requests are sent, by model.
        rate: requests per second, of all models together.

    Attributes:
        skipped: number of requests that were not sent, because too many others waited for their response.
    """

    def __init__(self, apis: Mapping[str, Target], rate: float) -> None:
        self.skipped = 0
        self._rate = rate
        settings = Settings(_TIMEOUT_SECONDS)
        self._runners = {name: Runner(api, NoWorkload(), settings) for name, api in apis.items()}
        self._requests: list[Request] = []
        self._in_flight = 0
        self._end = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Send requests until `stop`."""
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def stop(self, zero: float) -> tuple[Request, ...]:
        """Stop, and return all requests in the order of their start.

        Args:
            zero: the time from which they are counted, of `time.monotonic`.

        Raises:
            ToolkitError: this machine could not send requests.
        """
        self._end.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        # Requests are measured with another clock.
        shift = time.monotonic() - time.perf_counter() - zero
        requests = sorted(self._requests, key=lambda request: request.start)
        return tuple(replace(request, start=request.start + shift) for request in requests)

    def counts(self) -> tuple[int, int]:
        """Numbers of requests that have ended, and of those that failed."""
        ended = list(self._requests)
        return len(ended), sum(request.error is not None for request in ended)

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except ExceptionGroup as failures:
            # `stop` raises it.
            self._failure = failures.exceptions[0]

    async def _send_all(self) -> None:
        try:
            async with asyncio.timeout(None) as last, asyncio.TaskGroup() as group:
                await self._arrivals(group)
                last.reschedule(asyncio.get_running_loop().time() + _LAST_SECONDS)
        except TimeoutError:
            # The requests that were cancelled have noted it.
            return
        finally:
            for runner in self._runners.values():
                runner.close()

    async def _arrivals(self, group: asyncio.TaskGroup) -> None:
        chance = random.Random(0)  # noqa: S311 - repeatable
        planned = time.perf_counter()
        for name in itertools.cycle(self._runners):
            planned += chance.expovariate(self._rate)
            while (delay := planned - time.perf_counter()) > _POLL_SECONDS:
                await asyncio.sleep(_POLL_SECONDS)
                if self._end.is_set():
                    return
            await asyncio.sleep(max(delay, 0))
            if self._end.is_set():
                return
            if self._in_flight >= MOST_IN_FLIGHT:
                self.skipped += 1
                continue
            self._in_flight += 1
            group.create_task(self._send(name, planned))

    async def _send(self, model: str, planned: float) -> None:
        status: int | None = None
        error: str | None = UNFINISHED
        release: str | None = None
        try:
            request, reply = await self._runners[model].send(_BODY, planned)
            status, error, release = reply.status or None, request.error, reply.fingerprint
            if error is None and request.first is None:
                error = NO_TEXT
        finally:
            self._in_flight -= 1
            seconds = time.perf_counter() - planned
            self._requests.append(Request(planned, seconds, model, status, error, release))


@dataclass(frozen=True)
class Operation:
    """An operation of the API whose response is not streamed.

    Args:
        api: the API.
        path: of the operation.
        body: of the request, besides the model.
    """

    api: Api
    path: str
    body: Mapping[str, Any]

    name: Literal["api"] = "api"
    framing: Literal["whole"] = "whole"

    @property
    def url(self) -> str:
        """The URL of the operation."""
        return f"{self.api.base_url.rstrip('/')}/{self.path}"

    def encode(self, _: Mapping[str, Any]) -> bytes:
        """A whole HTTP request; the content is that of the operation."""
        body = {"model": self.api.model, **self.body}
        return targets.encode(self.url, body, self.api.headers, self.api.signer)


def apis_of(context: Context, outputs: Outputs) -> tuple[dict[str, Target], dict[str, str]]:
    """The API of a deployed environment with the key `default`, for each model.

    Returns:
        The targets by model, and why other models get no load.
    """
    environment = context.environment
    with open_session(context, outputs, "send requests to") as session:
        apis: dict[str, Target] = {}
        for name in outputs.models:
            api = targets.api(context.access, session.api, name, signed=environment.api.auth == "iam")
            if name in session.models:
                apis[name] = api
            elif (task := _task(environment.models.get(name))) is not None:
                apis[name] = Operation(api, _PATHS[task], REQUESTS[task])
        reasons = session.refused.items()
        return apis, {name: why for name, why in reasons if name in outputs.models and name not in apis}


def _task(model: Model | None) -> Task | None:
    """The task of a model that generates no text; None if the API has no operation for it."""
    if model is None or model.asynchronous is not None:
        return None
    if "rerank" in model.capabilities:
        return "ranking"
    return "embedding" if model.supports("embedding") else None
