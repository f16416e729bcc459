"""One command at a time per environment, even after a kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.patience import HANG_SECONDS
from tests.support.policy import quiet
from toolkit.deployment import locks
from toolkit.deployment.context import Context
from toolkit.environment import load
from toolkit.errors import StateError
from toolkit.project import Project

# A command on the environment, whose child process would outlive it.
COMMAND = """
import os, sys
from pathlib import Path
from tests.toolkit.deployment.test_locks import context
from toolkit.deployment import locks
from toolkit.terraform import process
sys.argv = ["toolkit", "apply"]
checkout = Path(os.environ["CHECKOUT"])
lasting = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
program = process.Invocation([sys.executable, "-c", lasting], checkout, dict(os.environ))
with locks.exclusive(context(checkout)):
    tell = lambda line: print(line, flush=True)
    process.run(program, output=checkout / "output", on_line=tell, on_tick=lambda _: None)
"""


def context(checkout: str | Path, timeout: int = 0) -> Context:
    """An environment with only a name."""
    project = Project(Path(checkout))
    environment = load(Project(ROOT), "local")
    return Context(project, environment, None, quiet(), None, timeout)  # type: ignore[arg-type]


@dataclass
class Holder:
    """A running command."""

    process: subprocess.Popen[str]
    terraform: int


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Holder]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        env={**os.environ, "CHECKOUT": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    holder = Holder(process, int(process.stdout.readline()))
    yield holder
    process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(holder.terraform, signal.SIGKILL)
    process.communicate()


def refusal(of: Context) -> str:
    with pytest.raises(StateError) as raised, locks.exclusive(of):
        pytest.fail("the environment is in use")
    return str(raised.value)


def test_a_second_command_names_the_holder_of_the_lock(tmp_path: Path, holder: Holder) -> None:
    message = refusal(context(tmp_path))
    assert f"`toolkit apply` (process {holder.process.pid}) since" in message
    assert locks.is_busy(context(tmp_path))
    holder.process.kill()
    os.kill(holder.terraform, signal.SIGKILL)
    with locks.exclusive(context(tmp_path, timeout=int(HANG_SECONDS))):
        pass
    assert not locks.is_busy(context(tmp_path))


def test_one_command_at_a_time_changes_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def second() -> None:
        with locks.account(context(tmp_path, timeout=int(HANG_SECONDS))):
            free.set()

    waiting = threading.Thread(target=second)
    with locks.account(context(tmp_path)):
        waiting.start()
        # Without a timeout, the error comes immediately.
        monkeypatch.setattr(locks, "ACCOUNT_SECONDS", 0)
        with pytest.raises(StateError, match="in use"), locks.account(context(tmp_path)):
            pytest.fail("the account is in use")
        # The account has a separate lock.
        with locks.exclusive(context(tmp_path)):
            assert not free.is_set()
    waiting.join(HANG_SECONDS)
    assert free.is_set()


def test_a_lock_without_holder_belongs_to_another_command(
    tmp_path: Path, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RECORD_SECONDS", 0)
    for note in ("", "[]", "{}", '{"pid": "x", "command": "a", "since": "b"}'):
        locks.lock_file(context(tmp_path)).write_text(note)
        assert "in use on this machine: another command" in refusal(context(tmp_path))


@pytest.mark.parametrize("before", ["", '{"pid": 2147483647, "command": "toolkit plan", "since": "then"}'])
def test_a_holder_that_has_just_locked_is_named(
    tmp_path: Path, holder: Holder, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    file = locks.lock_file(context(tmp_path))
    record = file.read_text()
    file.write_text(before)
    monkeypatch.setattr(locks, "RECORD_SECONDS", HANG_SECONDS)
    monkeypatch.setattr(time, "sleep", lambda _: file.write_text(record))
    assert f"`toolkit apply` (process {holder.process.pid}) since" in refusal(context(tmp_path))


@pytest.mark.slow
def test_the_lock_lasts_as_long_as_a_killed_commands_terraform(tmp_path: Path, holder: Holder) -> None:
    holder.process.kill()
    holder.process.wait()
    assert "was killed; its Terraform is still finishing" in refusal(context(tmp_path))
    os.kill(holder.terraform, signal.SIGKILL)
    with locks.exclusive(context(tmp_path, timeout=int(HANG_SECONDS))):
        pass
