"""A model's response whose request and text pass the guards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from math import inf
from typing import Any

from gateway.chunks import has_content
from gateway.endpoints import Endpoints
from gateway.errors import ContentFilterError, GuardError, InvalidRequestError
from gateway.guard import prompts
from gateway.guard.guards import Guarding
from gateway.guard.windows import Windows
from gateway.model_response import Attempts, Caller, ModelResponse

Batch = list[dict[str, Any]]


class GuardedResponse(ModelResponse):
    """A model's response between the guards.

    Args:
        endpoints: the client for SageMaker's runtime.
        request: the client's request.
        attempts: builds the requests to models from it.
        caller: who sent the request.
        param: the member of the client's request that holds the prompt.
        guarding: the guards.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the members of a response, and its guards
        self,
        endpoints: Endpoints,
        request: Any,
        attempts: Callable[[Any], Attempts],
        caller: Caller,
        param: str,
        guarding: Guarding,
    ) -> None:
        super().__init__(endpoints, *attempts(request), caller, param)
        # In a plain completion, 0 asks for those of the chosen tokens.
        logprobs = request.body.get("logprobs")
        if "output" in guarding.sources and logprobs is not None and logprobs is not False:
            raise InvalidRequestError(
                "'logprobs' is not supported: this model's guard does not check them.", param="logprobs"
            )
        self._client_request = request
        self._attempts = attempts
        self._guarding = guarding
        self.guard_action = "passed"

    async def batches(
        self, seconds: float = inf, *, steady: bool = False
    ) -> AsyncGenerator[Batch | None, None]:
        """Chunks whose text has passed; see `ModelResponse.batches`.

        Raises:
            ApiError: also if the request does not pass, or if something cannot be checked.
        """
        stages = [self._check_input()] if "input" in self._guarding.sources else []
        if "output" in self._guarding.sources:
            stages.append(self._checked())
        try:
            for stage in stages:
                async with aclosing(_with_ticks(stage, seconds, steady)) as batches:
                    async for batch in batches:
                        yield batch
        except ContentFilterError as error:
            self.guard_action, self.guard_cause = "blocked", error.cause
            error.param = error.param or self._param
            raise
        except GuardError:
            self.guard_action = "failed"
            raise
        if "output" not in self._guarding.sources and not self.closed:
            async with aclosing(super().batches(seconds, steady=steady)) as batches:
                async for batch in batches:
                    yield batch

    async def _check_input(self) -> AsyncGenerator[Batch, None]:
        request = self._client_request
        roles = self._guarding.guards.settings.roles
        body, replaced = await prompts.checked(request.body, roles, self._guarding.check_input)
        if replaced:
            self.guard_action = "replaced"
        if body is not request.body:
            self._request, self._fallback = self._attempts(request.with_body(body))
        nothing: tuple[Batch, ...] = ()
        for batch in nothing:
            yield batch

    async def _checked(self) -> AsyncGenerator[Batch, None]:
        if self.closed:
            return
        settings = self._guarding.guards.settings
        windows = Windows(
            self._guarding.check_output,
            settings.window if self._guarding.stream else None,
            settings.overlap,
        )
        has_left = False
        async with aclosing(super().batches()) as batches:
            async for batch in batches:
                released = await windows.feed(batch or [])
                self._record(windows)
                if released:
                    if self._guarding.stream and not has_left and any(map(has_content, released)):
                        # For the client of a stream, the first token is the first that leaves.
                        self.first_token_at, has_left = time.monotonic(), True
                    yield released
        if not self.closed:
            released = await windows.end()
            self._record(windows)
            if released:
                yield released

    def _record(self, windows: Windows) -> None:
        if windows.cause is not None:
            self.guard_action, self.guard_cause = "blocked", windows.cause
        elif windows.replaced:
            self.guard_action = "replaced"


async def _with_ticks(
    batches: AsyncGenerator[Batch, None], seconds: float, steady: bool
) -> AsyncGenerator[Batch | None, None]:
    """Batches, and None where none comes for a time; see `ModelResponse.batches`."""
    due = time.monotonic() + seconds
    async with aclosing(batches):
        while True:
            coming = asyncio.ensure_future(anext(batches, None))
            try:
                while not coming.done():
                    await asyncio.wait(
                        {coming}, timeout=None if due == inf else max(0, due - time.monotonic())
                    )
                    if time.monotonic() >= due:
                        yield None
                        due = time.monotonic() + seconds
                batch = coming.result()
            finally:
                if not coming.done():
                    coming.cancel()
                    with suppress(asyncio.CancelledError):
                        await coming
            if batch is None:
                return
            yield batch
            if not steady:
                due = time.monotonic() + seconds
