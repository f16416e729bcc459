"""The limit on a container's start-up, where waiting is scaled and work is not.

On AWS a container has so many seconds, whatever it does with them. Here one that waits for nothing (a hung
server) should be given up after the scaled time, while one that loads a large model on a slow machine
needs real time for it. So a second counts as it would on AWS while the container's processes work, and
as `1 / scale` of them while they are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import psutil

from toolkit.local import timescale

_LOOK_SECONDS = 0.25
# Answering pings takes a few thousandths; the clock of processor time ticks in hundredths of a second.
_IDLE_SHARE = 0.05
# Waiting for the processor or for the disk is work, too.
_BUSY = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


async def time_out(pid: int, seconds: float) -> None:
    """Return when a container has used up its time.

    Args:
        pid: its process; descendants count as well.
        seconds: its limit on AWS.
    """
    left, then = seconds, time.monotonic()
    before, _ = await asyncio.to_thread(_look_at, pid)
    while left > 0:
        await asyncio.sleep(_LOOK_SECONDS)
        used, busy = await asyncio.to_thread(_look_at, pid)
        # Of a machine that slept, or was too busy for this loop, not all counts.
        passed = min(time.monotonic() - then, 2 * _LOOK_SECONDS)
        worked = busy or used - before > _IDLE_SHARE * passed
        left -= passed if worked else passed / timescale.scale()
        before, then = used, time.monotonic()


def _look_at(pid: int) -> tuple[float, bool]:
    """Seconds of processor time that a process and its descendants have used, and whether one is busy."""
    used, busy = 0.0, False
    for process in _family(pid):
        # Each of them may end while it is looked at.
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system
            busy = busy or process.status() in _BUSY
    return used, busy


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
