"""Helpers for tests of interruptions: a separate process to interrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil

from tests.support.checkout import clean_environment
from tests.support.patience import HANG_SECONDS, wait_for

__all__ = ["has", "interrupted", "kill_children", "start", "start_toolkit", "wait_for"]

# Tests in the background of a shell or under nohup inherit ignored signals.
_AS_ON_A_TERMINAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


def start(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Run Python code in its own process and process group, like a shell on a terminal."""
    return subprocess.Popen(
        [sys.executable, "-c", _AS_ON_A_TERMINAL + script, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def start_toolkit(*arguments: str, cwd: Path, output: IO[str]) -> subprocess.Popen[str]:
    """Run the program like a shell on a terminal, with all output in a file."""
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


def kill_children(process: subprocess.Popen[str]) -> None:
    """Kill Terraform and the providers of a command, but not the cloud, which outlives commands."""
    for child in psutil.Process(process.pid).children(recursive=True):
        # A child may have ended in the meantime.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "toolkit.local.server" not in " ".join(child.cmdline()):
                child.kill()


def has(file: Path, text: str) -> Callable[[], bool]:
    """Whether a file exists and contains `text`."""
    return lambda: file.is_file() and text in file.read_text(errors="replace")
