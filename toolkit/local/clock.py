"""AWS's time in the cloud, by which instances are billed and rollouts wait.

A second on AWS takes `timescale.scale()` seconds. POST `/_toolkit/clock` `{"advance": seconds}` lets time
pass at once, so that hours of instances, or the bake time of a rollout, need no waiting. GET returns the
time.
Alarms, metrics, schedules and cooldowns keep their own pace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from toolkit.local import timescale

PATH = "/_toolkit/clock"


class Clock:
    """Seconds on AWS since the start of the cloud."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._skipped = 0.0
        self._advanced = asyncio.Event()

    def now(self) -> float:
        """The time."""
        return (time.monotonic() - self._start) / timescale.scale() + self._skipped

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._skipped += seconds
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        end = self.now() + seconds
        while (remaining := end - self.now()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timescale.scaled(remaining)):
                    await self._advanced.wait()


# Of this process, like moto's resources.
CLOCK = Clock()


def route() -> Route:
    """The path of the clock."""
    return Route(PATH, _handle, methods=["GET", "POST"])


async def _handle(request: Request) -> Response:
    if request.method == "POST":
        try:
            seconds = float((await request.json())["advance"])
        except (json.JSONDecodeError, LookupError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"send the seconds to advance: {error}"}, 400)
        if not 0 <= seconds < math.inf:
            return JSONResponse({"error": "time only advances"}, 400)
        CLOCK.advance(seconds)
    return JSONResponse({"now": CLOCK.now()})
