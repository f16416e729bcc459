"""Serverless variants: instances that come with the requests, and go when there are none for a while.

On AWS each request in progress has an instance to itself. Here one process works on all of them, as more
would only compete for the same processors: what is to be seen are the limit on requests at the same time,
and that the first one after a pause waits for the start. The memory setting is kept, and limits nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.sagemaker.exceptions import SetupError
from toolkit.local.sagemaker.metrics import Publish
from toolkit.local.timescale import scaled

MAX_BODY_BYTES = 4 * 1024 * 1024
# A request waits for a start as long as it may take by itself.
SETUP_SECONDS = 60.0
# AWS does not say after how long without requests instances go; minutes, by experience.
IDLE_SECONDS = 300.0
_LOOK_SECONDS = 30.0


class Serverless:
    """What keeps a serverless variant as large as its requests need.

    Args:
        config: the variant's ServerlessConfig.
        resize: starts an instance (1), or stops it (0); raises SetupError.
        publish: takes what is measured.

    Attributes:
        in_progress: requests that have been let in.
    """

    def __init__(self, config: Members, resize: Callable[[int], Awaitable[None]], publish: Publish) -> None:
        self.config = config
        self.in_progress = 0
        self._resize = resize
        self._publish = publish
        self._used = time.monotonic()
        self._setup: asyncio.Task[None] | None = None
        # A request may come while the instance goes.
        self._resizing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def admitted(self, size: int, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
        """Let a request in; within the block there is an instance for it.

        Args:
            size: of its body, in bytes.
            is_ready: whether there is an instance.

        Raises:
            ApiError: there are too many, it is too large, or no instance starts.
        """
        if size > MAX_BODY_BYTES:
            message = "Value at 'body' failed to satisfy constraint: Member must have length less than or "
            message += f"equal to {MAX_BODY_BYTES}"
            raise ApiError("ValidationError", f"1 validation error detected: {message}", status=413)
        if self.in_progress >= self.config["MaxConcurrency"]:
            raise ApiError("ThrottlingException", "Rate exceeded", status=429)
        self.in_progress += 1
        try:
            if not is_ready():
                await self._set_up()
            yield
        finally:
            self.in_progress -= 1
            self._used = time.monotonic()

    async def _set_up(self) -> None:
        """Wait for a start, which goes on if this request gives up."""
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
        began = time.perf_counter()
        async with self._resizing:
            await self._resize(1)
        self._publish("ModelSetupTime", round((time.perf_counter() - began) * 1e6), "Microseconds")

    async def cool_down(self) -> None:
        """Stop the instance if there was no request for a while, unless it is to be kept warm."""
        if self.config.get("ProvisionedConcurrency"):
            return
        async with self._resizing:
            if not self.in_progress and time.monotonic() - self._used > scaled(IDLE_SECONDS):
                await self._resize(0)

    async def stop(self) -> None:
        """End a start that is in progress."""
        if self._setup is not None:
            self._setup.cancel()
            await asyncio.wait([self._setup])


class _Variant(Protocol):
    @property
    def serverless(self) -> Serverless | None: ...


async def cool_down(variants: Callable[[], Iterable[Any]]) -> None:
    """Look at serverless variants for ever."""
    while True:
        await asyncio.sleep(scaled(_LOOK_SECONDS))
        await asyncio.gather(*(each.serverless.cool_down() for each in variants() if each.serverless))
