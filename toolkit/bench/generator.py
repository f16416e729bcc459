"""The load generator: sends requests in a closed or an open loop, and notes what happens to each.

In a closed loop, each of a number of clients sends its next request after the response to the one before. In
an open loop, requests arrive at random times that do not depend on responses (a Poisson process).
"""

from __future__ import annotations

import asyncio
import errno
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from toolkit.bench import http, targets
from toolkit.bench.replies import Reply
from toolkit.bench.results import Request, Stage
from toolkit.bench.targets import Target
from toolkit.bench.workload import Conversation, Workload
from toolkit.errors import PreflightError

BOTTLENECK: Final = "the load generator is the bottleneck"
# As vLLM's benchmark counts it: without a first token, there is no time to it.
NO_TEXT: Final = "the response has no text"
# Requests of an open loop that wait for their response: far more than any deployment works on at a time.
MOST_IN_FLIGHT: Final = 2000
# A deployment that refuses everything gets no further requests; a client that waits does not cause this.
_FAILURES_IN_A_ROW: Final = 50
# Not the failure of a server.
_OPEN_FILES: Final = (errno.EMFILE, errno.ENFILE)
_WATCH_SECONDS: Final = 0.05
_PROGRESS_SECONDS: Final = 0.5
# A timer of asyncio is due up to a millisecond late.
_TIMER_SECONDS: Final = 0.002


@dataclass(frozen=True)
class Load:
    """How many requests to send, and when.

    Attributes:
        concurrency: number of clients of a closed loop; None for an open one.
        rate: mean number of requests per second of an open loop; None for a closed one.
        requests: number of measured requests; None if only the time limits them.
        seconds: no request starts after this time; None if only the number limits them.
        warmup: requests before the measured ones, of the same load.
    """

    concurrency: int | None = None
    rate: float | None = None
    requests: int | None = None
    seconds: float | None = None
    warmup: int = 0

    @property
    def name(self) -> str:
        """For the user: `4 clients`, `0.5 requests/s`."""
        if self.rate is not None:
            return f"{self.rate:g} request{'' if self.rate == 1 else 's'}/s"
        return "1 client" if self.concurrency == 1 else f"{self.concurrency} clients"


@dataclass(frozen=True)
class Limits:
    """When the load generator is the bottleneck, over the last seconds.

    Attributes:
        seconds: how long to look back.
        processor_share: largest share of a processor.
        delay: largest mean delay of its event loop in seconds …
        relative_delay: … that is also this share of the median latency of its requests.
    """

    seconds: float = 2.0
    processor_share: float = 0.9
    delay: float = 0.025
    relative_delay: float = 0.1


@dataclass(frozen=True)
class Settings:
    """Settings of all requests.

    Attributes:
        timeout: seconds after which a request fails.
        members: members of each request's body besides messages and the number of tokens.
        seed: of the arrivals in an open loop.
        limits: of the load generator.
    """

    timeout: float = 300.0
    members: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    limits: Limits = Limits()


@dataclass(frozen=True)
class Progress:
    """A stage that is being measured.

    Attributes:
        load: its load.
        target: where it is measured.
        warming_up: whether no measured request has started.
        done: number of measured requests that have ended.
        errors: number of those that failed.
        in_flight: number of requests that wait for their response.
        seconds: since the start of the stage.
        output_tokens: of the measured requests.
        first: their mean time to the first token; None without any.
    """

    load: Load
    target: str
    warming_up: bool
    done: int
    errors: int
    in_flight: int
    seconds: float
    output_tokens: int
    first: float | None


@dataclass
class Stop:
    """Asks a stage to end; what it has measured by then is kept.

    Attributes:
        reason: why; None while it may continue.
    """

    reason: str | None = None
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, reason: str) -> None:
        """End the stage."""
        self.reason = self.reason or reason
        self._event.set()

    async def wait(self) -> None:
        """Wait until the stage is to end."""
        await self._event.wait()


class Runner:
    """Measures stages of one target.

    Args:
        target: where requests are sent.
        workload: the conversations.
        settings: of all requests.
        report: gets the progress twice a second.
        first_number: number of the first conversation.

    Attributes:
        number: number of the next conversation.
        failure: why the last stage could not send its further requests; None if it could.
    """

    def __init__(
        self,
        target: Target,
        workload: Workload,
        settings: Settings,
        report: Callable[[Progress], None] | None = None,
        first_number: int = 0,
    ) -> None:
        self.target, self.workload, self.settings, self.report = target, workload, settings, report
        self.number = first_number
        self.failure: Exception | None = None
        self._client = targets.client(target)

    async def measure(self, load: Load, stop: Stop) -> Stage:
        """Measure one stage.

        If requests cannot be created any longer, such as without valid credentials, the stage has those until
        then, and `failure` is set; without any, the error is raised.
        """
        return await _Measurement(self, load, stop).run()

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Send one request that is not measured."""
        request, reply = await self.send(body)
        if request.error is not None:
            raise RefusedError(request.error, reply.message)
        return reply

    async def send(self, body: Mapping[str, Any], planned: float | None = None) -> tuple[Request, Reply]:
        """Send a request and read its response; `started` is a time of `time.perf_counter`.

        Args:
            body: of the request.
            planned: when to send it; None for at once.
        """
        # A signature is valid for minutes.
        if planned is not None:
            await _sleep_until(planned - 3 * _TIMER_SECONDS)
        reply = targets.reply(self.target)
        message = self.target.encode({**body, **_STREAMED})
        if planned is not None:
            await _sleep_until(planned)
        sent = time.perf_counter()
        started = sent if planned is None else planned
        connected, error = None, None
        try:
            async with asyncio.timeout(self.settings.timeout):
                connected = await self._client.send(message, reply)
        except TimeoutError:
            error = "timeout"
        except http.DisconnectedError as failure:
            error = str(failure)
        except OSError as failure:
            if failure.errno in _OPEN_FILES:
                raise PreflightError(
                    "cannot open further connections: this machine has too many open files",
                    remedy="send fewer requests at a time, or raise the limit: ulimit -n 8192",
                ) from None
            error = f"cannot connect: {failure.strerror or failure}"
        ended = reply.ended or time.perf_counter()
        usage = reply.usage
        request = Request(
            started=started,
            total=ended - started,
            first=reply.arrivals[0] - started if reply.arrivals else None,
            gaps=tuple(later - earlier for earlier, later in pairwise(reply.arrivals)),
            input_tokens=_count(usage.prompt_tokens) if usage else None,
            output_tokens=_count(usage.completion_tokens) if usage else None,
            server=reply.server,
            error=error or reply.error(),
            delay=max(0.0, sent - started),
            connected=connected,
        )
        return request, reply

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


_STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}


class RefusedError(Exception):
    """A request that is not measured failed.

    Attributes:
        reason: as in results.
        message: the server's own message; empty if there is none.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason)
        self.reason, self.message = reason, message


@dataclass
class _Measurement:
    """One stage in progress."""

    runner: Runner
    load: Load
    stop: Stop
    requests: list[Request] = field(default_factory=list)
    # Of `time.perf_counter`.
    base: float | None = None
    taken: int = 0
    ended: float = 0.0
    in_flight: int = 0
    failures: int = 0
    is_warming_up: bool = False
    created: float = field(default_factory=time.perf_counter)

    async def run(self) -> Stage:
        loop = self._closed() if self.load.concurrency is not None else self._open()
        work = asyncio.ensure_future(loop)
        stop = asyncio.ensure_future(self.stop.wait())
        async with self._watched():
            try:
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stop.cancel()
                if not work.done():
                    work.cancel()
                try:
                    await work
                except asyncio.CancelledError:
                    pass
                except ExceptionGroup as failures:
                    # Of a task; there are no credentials anymore, for example.
                    failure = failures.exceptions[0]
                    if not self.requests:
                        raise failure from None
                    self.runner.failure = failure
                    self.stop.set(f"cannot send further requests: {' '.join(str(failure).split())}")
        base = self.base or time.perf_counter()
        requests = sorted(self.requests, key=lambda request: request.started)
        return Stage(
            target=self.runner.target.name,
            seconds=max(0.0, self.ended - base),
            requests=tuple(replace(request, started=request.started - base) for request in requests),
            concurrency=self.load.concurrency,
            rate=self.load.rate,
            stopped=self.stop.reason,
        )

    async def _closed(self) -> None:
        # The warm-up ends first, or a slow one would overlap with the measured requests.
        self.is_warming_up = self.load.warmup > 0
        if self.is_warming_up:
            await self._clients()
            self.is_warming_up = False
        await self._clients()

    async def _clients(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.load.concurrency or 1):
                group.create_task(self._client())

    async def _client(self) -> None:
        while self._may_start(time.perf_counter()):
            await self._converse(self._next())

    async def _open(self) -> None:
        arrivals = random.Random(f"{self.runner.settings.seed}/{self.load.rate}")  # noqa: S311
        planned = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while True:
                planned += arrivals.expovariate(self.load.rate or 1)
                # Up to now, in case the load generator itself is late.
                await _sleep_until(planned - 0.05)
                if not self._may_start(planned):
                    return
                if self.in_flight >= MOST_IN_FLIGHT:
                    self.stop.set(f"overload: {MOST_IN_FLIGHT} requests wait for their responses")
                    return
                measured = self._count_start(planned)
                group.create_task(self._send(self._next(), planned, measured))

    def _may_start(self, at: float) -> bool:
        load, base = self.load, self.base
        if self.is_warming_up:
            return self.taken < load.warmup
        if load.requests is not None and self.taken >= load.warmup + load.requests:
            return False
        return load.seconds is None or base is None or at < base + load.seconds

    def _next(self) -> Conversation:
        number = self.runner.number
        self.runner.number += 1
        return self.runner.workload.conversation(number)

    def _count_start(self, at: float) -> bool:
        """Count a request that starts; return whether it is measured."""
        self.taken += 1
        if self.taken <= self.load.warmup:
            return False
        if self.base is None:
            self.base = at
        return True

    async def _converse(self, conversation: Conversation) -> None:
        """Send the prompts of a conversation, each with the responses to those before it."""
        messages = list(conversation.opening)
        turns = zip(conversation.prompts, conversation.output_tokens, strict=True)
        for turn, (prompt, tokens) in enumerate(turns):
            now = time.perf_counter()
            if turn > 0 and not self._may_start(now):
                return
            messages.append(prompt)
            request, reply = await self._request(messages, tokens, None, self._count_start(now))
            if request.error is not None:
                return
            messages.append({"role": "assistant", "content": reply.text})

    async def _send(self, conversation: Conversation, planned: float, measured: bool) -> None:
        """Send the only prompt of a conversation at its time."""
        messages = [*conversation.opening, conversation.prompts[0]]
        await self._request(messages, conversation.output_tokens[0], planned, measured)

    async def _request(
        self, messages: Sequence[Mapping[str, Any]], tokens: int, planned: float | None, measured: bool
    ) -> tuple[Request, Reply]:
        body = {**self.runner.settings.members, "messages": messages, "max_tokens": tokens}
        self.in_flight += 1
        try:
            request, reply = await self.runner.send(body, planned)
        finally:
            self.in_flight -= 1
        if request.error is None and request.first is None:
            request = replace(request, error=NO_TEXT)
        if measured:
            self._add(request)
        return request, reply

    def _add(self, request: Request) -> None:
        self.requests.append(request)
        self.ended = max(self.ended, request.started + request.total)
        self.failures = self.failures + 1 if request.error is not None else 0
        most = max(_FAILURES_IN_A_ROW, 2 * (self.load.concurrency or 0))
        if self.failures >= most:
            self.stop.set(f"the last {most} requests failed: {request.error}")

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        watch = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _watch(self) -> None:
        """Report the progress, and stop the stage if the load generator is the bottleneck."""
        limits = self.runner.settings.limits
        reported = since = time.perf_counter()
        processor, delays = time.process_time(), list[float]()
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.perf_counter()
            delays.append(max(0.0, now - before - _WATCH_SECONDS - _TIMER_SECONDS))
            if now - since >= limits.seconds:
                share = (time.process_time() - processor) / (now - since)
                self._judge(limits, share, statistics.mean(delays))
                since, processor, delays = now, time.process_time(), []
            if self.runner.report is not None and now - reported >= _PROGRESS_SECONDS:
                reported = now
                self.runner.report(self._progress(now))

    def _judge(self, limits: Limits, share: float, delay: float) -> None:
        if share > limits.processor_share:
            self.stop.set(f"{BOTTLENECK}: it uses {share:.0%} of a processor")
        elapsed = time.perf_counter() - self.created
        latency = statistics.median([request.total for request in self.requests[-100:]] or [elapsed])
        if delay > max(limits.delay, limits.relative_delay * latency):
            self.stop.set(f"{BOTTLENECK}: its event loop is {delay * 1000:.0f} ms late on average")

    def _progress(self, now: float) -> Progress:
        firsts = [request.first for request in self.requests if request.first is not None]
        return Progress(
            load=self.load,
            target=self.runner.target.name,
            warming_up=self.base is None,
            done=len(self.requests),
            errors=sum(request.error is not None for request in self.requests),
            in_flight=self.in_flight,
            # An open loop plans its first request.
            seconds=max(0.0, now - self.base) if self.base is not None else 0.0,
            output_tokens=sum(request.output_tokens or 0 for request in self.requests),
            first=statistics.fmean(firsts) if firsts else None,
        )


def _count(tokens: int | None) -> int | None:
    """A number of tokens; None if the server's cannot be one."""
    return None if tokens is None or tokens < 0 else tokens


async def _sleep_until(at: float) -> None:
    delay = at - time.perf_counter()
    if delay > 0:
        await asyncio.sleep(delay)
