from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from gateway.threads import iterate

from tests.support.patience import HANG_SECONDS


def test_items_arrive_while_the_iterator_still_blocks() -> None:
    first_item_received = threading.Event()

    def blocking() -> Iterator[int]:
        yield 1
        assert first_item_received.wait(HANG_SECONDS)
        yield 2

    async def consume() -> list[int | None]:
        items = []
        async for item in iterate(blocking(), 60):
            items.append(item)
            first_item_received.set()
        return items

    assert asyncio.run(consume()) == [1, 2]


def test_errors_are_raised_after_earlier_items() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    async def consume() -> list[int | None]:
        items = []
        with pytest.raises(ZeroDivisionError):
            async for item in iterate(failing(), 60):
                items.append(item)
        return items

    assert asyncio.run(consume()) == [1]


def test_none_marks_each_idle_interval() -> None:
    third_item_received = threading.Event()

    def silent() -> Iterator[int]:
        assert third_item_received.wait(HANG_SECONDS)
        yield 1

    async def consume() -> list[int | None]:
        items: list[int | None] = []
        async for item in iterate(silent(), 0.001):
            items.append(item)
            if len(items) == 3:
                third_item_received.set()
        return items

    items = asyncio.run(consume())
    assert items[:3] == [None, None, None]
    assert [item for item in items if item is not None] == [1]
