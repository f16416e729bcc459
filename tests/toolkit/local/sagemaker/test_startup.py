"""The time limit on a container's start-up, with idle and busy processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.support.patience import HANG_SECONDS
from toolkit.local import timescale
from toolkit.local.sagemaker import instance

pytestmark = pytest.mark.slow

WAITS = "import time; print(flush=True); time.sleep(60)"
WORKS = "print(flush=True)\nwhile True: pass"
# Like a server in a shell script, or one with workers.
WORKS_IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKS!r}])"


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-c", request.param], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    yield child.pid
    for descendant in psutil.Process(child.pid).children(recursive=True):
        descendant.kill()
    child.kill()
    child.wait()
    child.stdout.close()


def runs_out(pid: int, seconds: float, within: float) -> bool:
    async def main() -> bool:
        _, pending = await asyncio.wait(
            [asyncio.create_task(instance.startup_timeout(pid, seconds))], timeout=within
        )
        return not pending

    return asyncio.run(main())


@pytest.mark.parametrize("process", [WAITS], indirect=True)
def test_an_idle_process_times_out_in_scaled_time(process: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timescale.SETTING, "0.002")
    assert runs_out(process, seconds=600, within=HANG_SECONDS)


@pytest.mark.parametrize("process", [WORKS, WORKS_IN_A_CHILD], indirect=True)
def test_a_busy_process_has_real_time(process: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timescale.SETTING, "0.002")
    assert not runs_out(process, seconds=600, within=2.5)


@pytest.mark.parametrize("process", [WORKS], indirect=True)
def test_a_busy_process_times_out_in_real_time(process: int) -> None:
    assert runs_out(process, seconds=1, within=HANG_SECONDS)
