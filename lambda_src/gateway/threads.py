"""Blocking iterators, such as botocore's streams, in asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")


async def iterate(blocking: Iterable[T], idle_seconds: float) -> AsyncIterator[T | None]:
    """Items of `blocking` as they arrive; a separate thread iterates to the end.

    One thread for the whole iteration saves a switch per item, and long streams do not fill a pool.

    Args:
        blocking: the items, none of which is None.
        idle_seconds: yields None each time no item has arrived for this long.
    """
    loop = asyncio.get_running_loop()
    results: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue()

    def work() -> None:
        end: BaseException | None = None
        try:
            for item in blocking:
                loop.call_soon_threadsafe(results.put_nowait, (item,))
        except BaseException as error:  # noqa: BLE001 - raised where the items are awaited
            end = error
        loop.call_soon_threadsafe(results.put_nowait, end)

    threading.Thread(target=work, name="stream", daemon=True).start()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                result = await results.get()
        except TimeoutError:
            yield None
            continue
        if result is None:
            return
        if isinstance(result, BaseException):
            raise result
        yield result[0]
