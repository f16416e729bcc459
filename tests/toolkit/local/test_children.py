from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.cloud import eventually, is_gone
from tests.support.patience import HANG_SECONDS
from toolkit.local import children

ENV = {"PATH": os.environ["PATH"]}


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


async def start(argv: list[str], lines: list[str], **env: str) -> children.Child:
    return await children.start(argv, env=ENV | env, cwd=Path.cwd(), on_output=lines.append)


async def until(lines: list[str], count: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while len(lines) < count:
            await asyncio.sleep(0.01)


def test_output_and_exit_code_are_delivered() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(
            python("""
                import os, sys
                print("one", os.environ["GREETING"]); print("zwei ä", file=sys.stderr)
                sys.stdout.write("no newline"); sys.exit(7)
            """),
            lines,
            GREETING="hello",
            PYTHONIOENCODING="utf-8",
        )
        assert await child.wait() == 7
        assert child.returncode == 7
        assert lines == ["one hello", "zwei ä", "no newline"]

    asyncio.run(scenario())


def test_long_lines_are_split_into_log_events() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(python("print('x' * 1_000_000)"), lines)
        await child.wait()
        assert len("".join(lines)) == 1_000_000
        assert max(len(line.encode()) for line in lines) <= children.MAX_LINE_BYTES

    asyncio.run(scenario())


def test_a_missing_program_raises() -> None:
    async def scenario() -> None:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            await start(["no-such-program"], [])

    asyncio.run(scenario())


def test_stop_sends_sigterm_first() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(
            python("""
                import signal, sys, time
                signal.signal(signal.SIGTERM, lambda *_: (print("goodbye"), sys.exit(0)))
                print("ready")
                while True: time.sleep(1)
            """),
            lines,
        )
        await until(lines, 1)
        assert child.returncode is None
        await child.stop(grace_seconds=HANG_SECONDS)
        assert lines == ["ready", "goodbye"]
        assert child.returncode == 0

    asyncio.run(scenario())


def test_stop_kills_an_unresponsive_process_tree() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(
            python("""
                import signal, subprocess, sys, time
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                print(grandchild.pid)
                while True: time.sleep(1)
            """),
            lines,
        )
        await until(lines, 1)
        await child.stop(grace_seconds=0.1)
        assert child.returncode == -signal.SIGKILL
        assert is_gone(child.pid)
        eventually(lambda: is_gone(int(lines[0])))

    asyncio.run(scenario())


def test_leftover_processes_end_with_their_child() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(
            python("""
                import subprocess, sys
                print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
            """),
            lines,
        )
        assert await child.wait() == 0
        eventually(lambda: is_gone(int(lines[0])))

    asyncio.run(scenario())


def test_memory_counts_the_whole_tree() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(
            python("""
                import subprocess, sys, time
                code = "import time; block = bytearray(50_000_000); print(1, flush=True); time.sleep(600)"
                subprocess.Popen([sys.executable, "-c", code])
                time.sleep(600)
            """),
            lines,
        )
        await until(lines, 1)
        assert 50_000_000 < child.memory_bytes() < 150_000_000
        await child.stop()
        assert child.memory_bytes() == 0

    asyncio.run(scenario())


def test_a_child_ends_with_its_killed_supervisor() -> None:
    async def scenario() -> None:
        lines: list[str] = []
        child = await start(python("import time; print(1); time.sleep(600)"), lines)
        await until(lines, 1)
        supervisor = psutil.Process(child.pid).parent()
        assert supervisor is not None
        supervisor.kill()
        assert await child.wait() == -signal.SIGKILL
        eventually(lambda: is_gone(child.pid))

    asyncio.run(scenario())


@dataclass(frozen=True)
class Family:
    """A process with three children that ignore SIGTERM."""

    parent: subprocess.Popen[str]
    children: list[int]

    @property
    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.parent.pid).children(recursive=True)


@pytest.fixture
def family() -> Iterator[Family]:
    parent = subprocess.Popen(
        python("""
            import asyncio, os, sys
            from pathlib import Path
            from toolkit.local import children

            async def main():
                stubborn = ("import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
                            "print(os.getpid(), flush=True); time.sleep(600)")
                argv = [sys.executable, "-c", stubborn]
                started = [await children.start(argv, env=dict(os.environ), cwd=Path("/"), on_output=print)
                           for _ in range(3)]
                await started[0].wait()

            asyncio.run(main())
        """),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    yield Family(parent, [int(parent.stdout.readline()) for _ in range(3)])
    parent.kill()
    parent.wait()


def test_children_end_with_a_killed_parent(family: Family) -> None:
    descendants = family.descendants
    assert set(family.children) < {process.pid for process in descendants}
    family.parent.kill()
    eventually(lambda: all(is_gone(process.pid) for process in descendants))


def test_children_end_when_parent_and_supervisors_are_killed(family: Family) -> None:
    descendants = family.descendants
    # A stopped process cannot react.
    family.parent.send_signal(signal.SIGSTOP)
    for supervisor in psutil.Process(family.parent.pid).children():
        supervisor.kill()
    eventually(lambda: all(is_gone(pid) for pid in family.children))
    family.parent.kill()
    eventually(lambda: all(is_gone(process.pid) for process in descendants))


def processes_with(variable: str) -> list[int]:
    """All processes with an environment variable."""
    pids = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            pids += [process.pid] * (variable in process.environ())
    return pids


def test_an_exited_child_leaves_no_process() -> None:
    variable = f"MARK_{uuid.uuid4().hex}"

    async def scenario() -> None:
        lines: list[str] = []
        child = await start(python("import time; print(1); time.sleep(600)"), lines, **{variable: "1"})
        await until(lines, 1)
        # The child, its supervisor, and the supervisor's guard.
        assert len(processes_with(variable)) == 3
        await child.stop()
        eventually(lambda: processes_with(variable) == [])

    asyncio.run(scenario())
