"""What a user reads while a transfer runs."""

from __future__ import annotations

import io

import pytest

from toolkit.console import Console
from toolkit.staging.meter import Lane, Meter, duration_text, size_text

MEBIBYTE = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_meter(clock: Clock, total: int, lanes: list[str], files: int = 3) -> Meter:
    with Console(err=io.StringIO(), interactive=False).progress("staging m") as progress:
        return Meter(progress, files, total, lanes, clock)


def test_bytes_rate_and_time_left_are_told(clock: Clock) -> None:
    meter = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    for _ in range(10):
        clock.now += 1
        meter.lanes[0].moved(2 * MEBIBYTE)
    assert str(meter) == "file 1 of 3, uploaded 20 MiB of 100 MiB at 2 MiB/s, 40 s left"


def test_the_slower_direction_decides_on_the_time_left(clock: Clock) -> None:
    meter = make_meter(clock, 100 * MEBIBYTE, ["downloaded", "uploaded"])
    for _ in range(10):
        clock.now += 1
        meter.lanes[0].moved(5 * MEBIBYTE)
        meter.lanes[1].moved(MEBIBYTE)
    assert str(meter).endswith("at 1 MiB/s, 90 s left") or str(meter).endswith("2 min left")


def test_what_was_there_already_is_done_but_does_not_make_the_rate(clock: Clock) -> None:
    meter = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    meter.lanes[0].skipped(60 * MEBIBYTE)
    clock.now += 10
    meter.lanes[0].moved(10 * MEBIBYTE)
    assert str(meter) == "file 1 of 3, uploaded 70 MiB of 100 MiB at 1 MiB/s, 30 s left"


def test_the_rate_is_that_of_late(clock: Clock) -> None:
    lane = Lane("uploaded", 10_000 * MEBIBYTE, lambda: None, clock)
    for speed in (1, 50):
        for _ in range(60):
            clock.now += 1
            lane.moved(speed * MEBIBYTE)
    assert lane.rate() == pytest.approx(50 * MEBIBYTE, rel=0.01)


def test_a_transfer_that_stands_still_promises_no_end(clock: Clock) -> None:
    meter = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    assert "left" not in str(meter)


def test_files_are_counted(clock: Clock) -> None:
    meter = make_meter(clock, 0, ["uploaded"])
    meter.file_done()
    assert str(meter).startswith("file 2 of 3")
    meter.file_done()
    meter.file_done()
    assert str(meter).startswith("file 3 of 3")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (94 * MEBIBYTE, "94 MiB"), (16_400_000_000, "15.3 GiB")],
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (130, "2 min"), (9000, "2.5 h")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
