"""Ctrl-C, a build server's SIGTERM and a closed terminal at any point of a command."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment
from tests.support.interrupts import start
from tests.support.patience import HANG_SECONDS

# The program, with a command that holds a resource until the file `go` exists.
HOLDING = """
import signal
from pathlib import Path
from toolkit.__main__ import main
from toolkit.cli.app import app

@app.command("hold")
def hold(go: Path) -> None:
    try:
        print("held", flush=True)
        signal.pause()
    finally:
        print("releasing", flush=True)
        go.read_text()
        print("released", flush=True)

main()
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_release_resources(signum: signal.Signals) -> None:
    command = start(HOLDING, "hold", os.devnull)
    assert command.stdout is not None
    assert command.stdout.readline() == "held\n"
    command.send_signal(signum)
    assert command.communicate(timeout=HANG_SECONDS)[0] == "releasing\nreleased\n"
    assert command.returncode == 130


def test_a_second_sigterm_does_not_interrupt_the_release(tmp_path: Path) -> None:
    go_file = tmp_path / "go"
    os.mkfifo(go_file)
    command = start(HOLDING, "hold", str(go_file))
    assert command.stdout is not None
    assert command.stdout.readline() == "held\n"
    command.send_signal(signal.SIGINT)
    assert command.stdout.readline() == "releasing\n"
    command.send_signal(signal.SIGTERM)
    go_file.write_text("")
    assert command.communicate(timeout=HANG_SECONDS)[0] == "released\n"
    assert command.returncode == 130


@pytest.mark.slow
def test_parallel_plans_end_with_the_command_that_started_them(tmp_path: Path) -> None:
    environments = tmp_path / "terraform" / "environments"
    environments.mkdir(parents=True)
    for name in ("a", "b"):
        shutil.copy(ROOT / "terraform" / "environments" / "dev.yaml", environments / f"{name}.yaml")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(HANG_SECONDS)
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        command = subprocess.Popen(
            [sys.executable, "-m", "toolkit", "plan", "--all"],
            cwd=tmp_path,
            env=clean_environment(PYTHONPATH=str(ROOT), **settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Each requests its identity and waits for the response.
        connections = [silent.accept()[0] for _ in range(2)]
        for connection in connections:
            assert connection.recv(4)
        command.terminate()
        assert command.wait(HANG_SECONDS) == 130
        for connection in connections:
            connection.settimeout(HANG_SECONDS)
            while connection.recv(65536):
                pass
            connection.close()
