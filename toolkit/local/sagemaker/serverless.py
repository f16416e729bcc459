"""Serverless variants: an instance starts with the first request and stops when idle.

On AWS each concurrent request has its own instance. Here one process handles all of them, because more would
compete for the same processors. MaxConcurrency and the cold start behave as on AWS; MemorySizeInMB has no
effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.sagemaker.exceptions import SetupError, body_too_large
from toolkit.local.sagemaker.metrics import Publish
from toolkit.local.timescale import scaled

MAX_BODY_BYTES = 4 * 1024 * 1024
# A request waits for a cold start as long as for a response.
SETUP_SECONDS = 60.0
# AWS does not document when idle instances stop; minutes, by experience.
IDLE_SECONDS = 300.0
_POLL_SECONDS = 30.0


class Serverless:
    """Starts and stops the instance of a serverless variant.

    Args:
        config: the variant's ServerlessConfig.
        resize: starts an instance (1) or stops it (0); raises SetupError.
        publish: publishes a metric.

    Attributes:
        in_progress: the number of admitted requests.
    """

    def __init__(self, config: Members, resize: Callable[[int], Awaitable[None]], publish: Publish) -> None:
        self.config = config
        self.in_progress = 0
        self._resize = resize
        self._publish = publish
        self._last_used = time.monotonic()
        self._setup: asyncio.Task[None] | None = None
        # A request may arrive while the instance stops.
        self._resizing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def admit(self, size: int, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
        """Admit a request; inside the block an instance is ready for it.

        Args:
            size: of its body, in bytes.
            is_ready: whether an instance is ready.

        Raises:
            ApiError: too many requests, too large a body, or no instance starts.
        """
        if size > MAX_BODY_BYTES:
            raise body_too_large(MAX_BODY_BYTES)
        if self.in_progress >= self.config["MaxConcurrency"]:
            # Status and message as in opensearch-project/ml-commons#2429.
            raise ApiError("ThrottlingException", "")
        self.in_progress += 1
        try:
            if not is_ready():
                await self._set_up()
            yield
        finally:
            self.in_progress -= 1
            self._last_used = time.monotonic()

    async def _set_up(self) -> None:
        """Wait for a cold start, which continues if this request gives up."""
        if self._setup is None or self._setup.done():
            self._setup = asyncio.create_task(self._start())
        try:
            await asyncio.wait_for(asyncio.shield(self._setup), SETUP_SECONDS)
        except TimeoutError as error:
            message = "The endpoint's resources are still being provisioned. Wait and try again."
            raise ApiError("ModelNotReadyException", message, status=429) from error
        except SetupError as error:
            raise ApiError("ModelError", str(error), status=424, OriginalStatusCode=500) from error

    async def _start(self) -> None:
        start = time.perf_counter()
        async with self._resizing:
            await self._resize(1)
        self._publish("ModelSetupTime", round((time.perf_counter() - start) * 1e6), "Microseconds")

    async def stop_if_idle(self) -> None:
        """Stop the instance after IDLE_SECONDS without requests, except with ProvisionedConcurrency."""
        if self.config.get("ProvisionedConcurrency"):
            return
        async with self._resizing:
            if not self.in_progress and time.monotonic() - self._last_used > scaled(IDLE_SECONDS):
                await self._resize(0)

    async def stop(self) -> None:
        """Cancel a cold start in progress."""
        if self._setup is not None:
            self._setup.cancel()
            await asyncio.wait([self._setup])


async def stop_idle_instances(variants: Callable[[], Iterable[Any]]) -> None:
    """Stop idle instances of serverless variants, until cancelled."""
    while True:
        await asyncio.sleep(scaled(_POLL_SECONDS))
        serverless = (variant.serverless for variant in variants())
        await asyncio.gather(*(variant.stop_if_idle() for variant in serverless if variant is not None))
