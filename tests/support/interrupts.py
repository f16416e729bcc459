"""Helpers for tests that interrupt: a process of its own to interrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.support.checkout import clean_environment
from tests.support.patience import HANG_SECONDS, wait_for

__all__ = ["has", "interrupted", "start", "start_toolkit", "wait_for"]

# Who runs the tests in the background of a shell, or under nohup, hands down signals that are ignored.
_AS_ON_A_TERMINAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run Python code in a process and process group of its own, as a shell on a terminal would."""
    return subprocess.Popen(
        [sys.executable, "-c", _AS_ON_A_TERMINAL + script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def start_toolkit(*arguments: str, cwd: Path, output: IO[str]) -> subprocess.Popen[str]:
    """Run the program as a shell on a terminal would, with all that it says going to a file."""
    script = "import runpy; runpy.run_module('toolkit', run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [sys.executable, "-c", _AS_ON_A_TERMINAL + script, *arguments],
        cwd=cwd,
        env=clean_environment(),
        stdout=output,
        stderr=output,
        text=True,
        process_group=0,
    )


def interrupted(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C; returns the exit code."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(HANG_SECONDS)
    finally:
        process.kill()


def has(file: Path, text: str) -> Callable[[], bool]:
    """Whether a file exists and has `text` in it."""
    return lambda: file.is_file() and text in file.read_text(errors="replace")
