"""The progress display of a transfer."""

from __future__ import annotations

import io

import pytest

from toolkit.console import Console
from toolkit.staging.progress import Direction, TransferProgress, duration_text, size_text

MEBIBYTE = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_meter(clock: Clock, total: int, directions: list[str], files: int = 3) -> TransferProgress:
    with Console(err=io.StringIO(), interactive=False).progress("staging m") as progress:
        return TransferProgress(progress, files, total, directions, clock)


def test_bytes_rate_and_time_left_are_shown(clock: Clock) -> None:
    progress = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    for _ in range(10):
        clock.now += 1
        progress.directions[0].moved(2 * MEBIBYTE)
    assert str(progress) == "file 1 of 3, uploaded 20 MiB of 100 MiB at 2 MiB/s, 40 s left"


def test_the_slower_direction_determines_the_time_left(clock: Clock) -> None:
    progress = make_meter(clock, 100 * MEBIBYTE, ["downloaded", "uploaded"])
    for _ in range(10):
        clock.now += 1
        progress.directions[0].moved(5 * MEBIBYTE)
        progress.directions[1].moved(MEBIBYTE)
    assert str(progress).endswith("at 1 MiB/s, 90 s left") or str(progress).endswith("2 min left")


def test_existing_bytes_count_as_done_but_not_for_the_rate(clock: Clock) -> None:
    progress = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    progress.directions[0].skipped(60 * MEBIBYTE)
    clock.now += 10
    progress.directions[0].moved(10 * MEBIBYTE)
    assert str(progress) == "file 1 of 3, uploaded 70 MiB of 100 MiB at 1 MiB/s, 30 s left"


def test_the_rate_is_recent(clock: Clock) -> None:
    direction = Direction("uploaded", 10_000 * MEBIBYTE, lambda: None, clock)
    for speed in (1, 50):
        for _ in range(60):
            clock.now += 1
            direction.moved(speed * MEBIBYTE)
    assert direction.rate() == pytest.approx(50 * MEBIBYTE, rel=0.01)


def test_a_stalled_transfer_shows_no_time_left(clock: Clock) -> None:
    progress = make_meter(clock, 100 * MEBIBYTE, ["uploaded"])
    assert "left" not in str(progress)


def test_files_are_counted(clock: Clock) -> None:
    progress = make_meter(clock, 0, ["uploaded"])
    progress.file_done()
    assert str(progress).startswith("file 2 of 3")
    progress.file_done()
    progress.file_done()
    assert str(progress).startswith("file 3 of 3")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (94 * MEBIBYTE, "94 MiB"), (16_400_000_000, "15.3 GiB")],
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (130, "2 min"), (9000, "2.5 h")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
