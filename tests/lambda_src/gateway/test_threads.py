from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from gateway.threads import iterate


def test_items_arrive_while_the_iterator_still_blocks() -> None:
    seen = threading.Event()

    def blocking() -> Iterator[int]:
        yield 1
        assert seen.wait(5)
        yield 2

    async def consume() -> list[int]:
        items = []
        async for item in iterate(blocking()):
            items.append(item)
            seen.set()
        return items

    assert asyncio.run(consume()) == [1, 2]


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    async def consume() -> list[int]:
        items = []
        with pytest.raises(ZeroDivisionError):
            async for item in iterate(failing()):
                items.append(item)
        return items

    assert asyncio.run(consume()) == [1]
