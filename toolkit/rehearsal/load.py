"""Load on the API during a rehearsal: requests at a steady rate, and what happened to each of them."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from toolkit.bench import targets
from toolkit.bench.generator import NO_TEXT, Runner, Settings
from toolkit.bench.targets import Target
from toolkit.bench.workload import NoWorkload
from toolkit.chat.session import open_session
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.rehearsal.results import Request

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


def apis_of(context: Context, outputs: Outputs) -> tuple[dict[str, Target], dict[str, str]]:
    """The API of a deployed environment with the key `default`, for each model that generates text.

    Returns:
        The targets by model, and why the other models get no load.
    """
    signed = context.environment.api.auth == "iam"
    with open_session(context, outputs, "send requests to") as session:
        apis: dict[str, Target] = {
            name: targets.api(context.access, session.api, name, signed=signed)
            for name in outputs.models
            if name in session.models
        }
        return apis, {name: reason for name, reason in session.refused.items() if name in outputs.models}
