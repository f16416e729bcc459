from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from toolkit.local import deferred


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    deferred.finish()


def test_no_request_waits_for_it() -> None:
    done: list[int] = []

    async def scenario() -> None:
        for number in range(3):
            deferred.later(lambda number=number: done.append(number))  # type: ignore[misc]
        await asyncio.sleep(0)
        assert not done
        deferred.finish()
        assert done == [0, 1, 2]

    asyncio.run(scenario())


def test_it_is_done_even_if_nothing_reads_it() -> None:
    async def scenario() -> None:
        # Work of an earlier loop, which ended before its time, delays nothing.
        for _ in range(2):
            done = asyncio.Event()
            deferred.later(done.set)
            await done.wait()

    async def ends_early() -> None:
        deferred.later(lambda: None)

    asyncio.run(ends_early())
    asyncio.run(scenario())


def test_outside_of_a_loop_it_is_done_at_once() -> None:
    done: list[int] = []
    deferred.later(lambda: done.append(1))
    assert done == [1]


def test_work_that_fails_is_logged_and_the_rest_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def scenario() -> None:
        deferred.later(lambda: done.append(1 // 0))
        deferred.later(lambda: done.append(1))
        deferred.finish()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text
