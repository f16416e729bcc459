"""Progress of a transfer: bytes, rate, time left and files."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from toolkit.console import Progress

# Rates average over this time: long enough to be steady, short enough to follow a change.
_WINDOW_SECONDS = 15.0
_REDRAW_SECONDS = 0.1
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(count: float) -> str:
    """Format a number of bytes, such as `1.5 GiB`."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.1f} {_UNITS[unit]}" if unit > 2 else f"{count:.0f} {_UNITS[unit]}"


def duration_text(seconds: float) -> str:
    """Format a duration, such as `3 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Direction:
    """Counts the bytes of one direction, upload or download.

    rich.progress is not used for the rate: it counts bytes that were already there, and keeps the
    last rate of a stalled transfer.

    Args:
        done_text: participle for the display, such as "uploaded".
        total: expected bytes.
        changed: called after each change.
        clock: monotonic seconds.
    """

    def __init__(
        self, done_text: str, total: int, changed: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._text = done_text
        self._total = total
        self._changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._done = 0
        self._moved = 0
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])

    def moved(self, count: int) -> None:
        """Count bytes transferred; negative for bytes to send again."""
        now = self._clock()
        with self._lock:
            self._done += count
            self._moved += count
            self._samples.append((now, self._moved))
            while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_SECONDS:
                self._samples.popleft()
        self._changed()

    def skipped(self, count: int) -> None:
        """Count bytes that are already there; negative if they must be transferred after all."""
        with self._lock:
            self._done += count
        self._changed()

    def rate(self) -> float:
        """Recent bytes per second; 0 before the first byte."""
        with self._lock:
            begin, before = self._samples[0]
            moved = self._moved - before
        seconds = self._clock() - begin
        return moved / seconds if seconds > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Remaining time at the recent rate; None without a rate."""
        remaining = self._total - self._done
        if remaining <= 0:
            return 0.0
        rate = self.rate()
        return remaining / rate if rate > 0 else None

    def __str__(self) -> str:
        text = f"{self._text} {size_text(self._done)} of {size_text(self._total)}"
        rate = self.rate()
        return f"{text} at {size_text(rate)}/s" if rate and self._done < self._total else text


class TransferProgress:
    """Shows the progress of a transfer as one line.

    Args:
        progress: the console's progress.
        files: number of files.
        total: their total size in bytes.
        directions: participles such as "downloaded", one per direction.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        progress: Progress,
        files: int,
        total: int,
        directions: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._files = files
        self._files_done = 0
        self._clock = clock
        self._shown = float("-inf")
        self._lock = threading.Lock()
        self.directions = [Direction(name, total, self._show, clock) for name in directions]

    def file_done(self) -> None:
        """Count a completed file."""
        with self._lock:
            self._files_done += 1
        self._show()

    def __str__(self) -> str:
        parts = [f"file {min(self._files_done + 1, self._files)} of {self._files}"]
        parts += [str(direction) for direction in self.directions]
        estimates = [direction.seconds_left() for direction in self.directions]
        finite = [seconds for seconds in estimates if seconds is not None]
        if finite and len(finite) == len(estimates) and max(finite) > 0:
            parts.append(f"{duration_text(max(finite))} left")
        return ", ".join(parts)

    def _show(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._shown < _REDRAW_SECONDS:
                return
            self._shown = now
        self._progress.update(str(self))
