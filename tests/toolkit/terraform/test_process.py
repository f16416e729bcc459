"""A program runs to its end, whatever happens to the process that waits for it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.support.cloud import is_gone
from tests.support.interrupts import has, start, wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.terraform import process

# Counts interrupts, and ends when a file exists.
PATIENT = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def note(*_):
    with (folder / "interrupts").open("a") as file:
        file.write("x")
    print("noted", flush=True)
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
while not (folder / "end").exists():
    time.sleep(0.01)
    print("." * 1000, flush=True)
(folder / "ended").touch()
"""

# Runs the program above like a Terraform command, and prints its outcome.
RUNNER = """
import os, pathlib, sys
from toolkit.terraform import process
folder = pathlib.Path(sys.argv[1])
outcome = process.run(
    process.Invocation([sys.executable, "-c", sys.argv[2], str(folder)], folder, os.environ),
    output=folder / "out.log",
    on_line=lambda line: None,
    on_tick=lambda _: (folder / "ticks").touch(),
)
print(outcome.returncode, outcome.interrupted, outcome.forced)
"""


def run(code: str, folder: Path) -> tuple[list[str], process.Outcome]:
    lines: list[str] = []
    outcome = process.run(
        process.Invocation([sys.executable, "-c", code], folder, os.environ),
        output=folder / "out.log",
        on_line=lines.append,
        on_tick=lambda _: None,
    )
    return lines, outcome


def test_lines_of_any_length_and_both_streams(tmp_path: Path) -> None:
    lines, outcome = run(
        "import sys\n"
        "print('first'); print('x' * 3_000_000); print()\n"
        "sys.stdout.buffer.write(b'\\xff no UTF-8\\n'); sys.stdout.flush()\n"
        "print('to the side', file=sys.stderr)\n"
        "sys.stdout.write('without an end'); sys.exit(3)",
        tmp_path,
    )
    assert [line[:20] for line in lines] == ["first", "x" * 20, "\ufffd no UTF-8", "without an end"]
    assert len(lines[1]) == 3_000_000
    assert outcome == process.Outcome(3, interrupted=False, forced=False, stderr="to the side\n")


def test_lines_arrive_while_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    code = (
        "import pathlib, time\n"
        "print('half', end='', flush=True)\n"
        "print(' done', flush=True)\n"
        "while pathlib.Path('gate').exists(): time.sleep(0.01)"
    )
    outcome = process.run(
        process.Invocation([sys.executable, "-c", code], tmp_path, os.environ),
        output=tmp_path / "out.log",
        on_line=lambda line: (tmp_path / "gate").unlink() if line == "half done" else None,
        on_tick=lambda _: None,
    )
    assert outcome.returncode == 0


def test_ctrl_c_is_forwarded_once_and_the_exit_awaited(tmp_path: Path) -> None:
    runner = start(RUNNER, str(tmp_path), PATIENT)
    wait_for(has(tmp_path / "out.log", "ready"), "the program")
    # Like a terminal: every process of the foreground group receives it.
    os.killpg(runner.pid, signal.SIGINT)
    wait_for(has(tmp_path / "out.log", "noted"), "the interrupt")
    assert runner.poll() is None
    (tmp_path / "end").touch()
    output, _ = runner.communicate(timeout=HANG_SECONDS)
    assert output == "0 True False\n"
    assert (tmp_path / "interrupts").read_text() == "x"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "forced"),
    [
        ((signal.SIGINT, signal.SIGINT), True),
        ((signal.SIGTERM, signal.SIGTERM), True),
        ((signal.SIGINT, signal.SIGTERM), False),
        ((signal.SIGTERM,), False),
        ((signal.SIGHUP,), False),
    ],
)
def test_a_repeated_signal_forces_the_stop(
    tmp_path: Path, sent: tuple[signal.Signals, ...], forced: bool
) -> None:
    runner = start(RUNNER, str(tmp_path), PATIENT)
    wait_for(has(tmp_path / "out.log", "ready"), "the program")
    for number, signum in enumerate(sent):
        runner.send_signal(signum)
        if number == 0 or forced:
            wait_for(has(tmp_path / "interrupts", "x" * (number + 1)), "the signal's arrival")
    (tmp_path / "end").touch()
    output, _ = runner.communicate(timeout=HANG_SECONDS)
    assert output == f"0 True {forced}\n"
    assert (tmp_path / "interrupts").read_text() == ("xx" if forced else "x")


def test_the_program_survives_a_killed_reader(tmp_path: Path) -> None:
    runner = start(RUNNER, str(tmp_path), PATIENT)
    wait_for(has(tmp_path / "out.log", "ready"), "the program")
    runner.kill()
    runner.wait()
    size = (tmp_path / "out.log").stat().st_size
    wait_for(lambda: (tmp_path / "out.log").stat().st_size > size, "further output")
    (tmp_path / "end").touch()
    wait_for((tmp_path / "ended").exists, "the program's own end")


def test_a_killed_program_leaves_no_processes(tmp_path: Path) -> None:
    # As the provider of a Terraform that the system killed for its memory.
    code = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    lines, outcome = run(code, tmp_path)
    assert outcome.returncode == -signal.SIGKILL
    wait_for(lambda: is_gone(int(lines[0])), "the end of its child")


def test_an_error_of_the_reader_interrupts_and_waits(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (pathlib.Path('ended').touch(), exit()))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.01)"
    )

    def fail(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError):
        process.run(
            process.Invocation([sys.executable, "-c", code], tmp_path, os.environ),
            output=tmp_path / "out.log",
            on_line=fail,
            on_tick=lambda _: None,
        )
    assert (tmp_path / "ended").exists()


def test_works_in_a_thread(tmp_path: Path) -> None:
    results: list[list[str]] = []
    thread = threading.Thread(target=lambda: results.append(run("print('hello')", tmp_path)[0]))
    thread.start()
    thread.join()
    assert results == [["hello"]]


def test_signal_handlers_are_restored(tmp_path: Path) -> None:
    def handler(*_: object) -> None:
        pass

    former = signal.signal(signal.SIGINT, handler)
    try:
        run("print()", tmp_path)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, former)


def test_capture_writes_no_files(tmp_path: Path) -> None:
    result = process.capture(
        process.Invocation([sys.executable, "-c", "print('secret')"], tmp_path, os.environ)
    )
    assert result.stdout == "secret\n"
    assert list(tmp_path.iterdir()) == []
