"""One command at a time on an environment, whatever becomes of the command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import quiet
from toolkit.deployment.context import Context
from toolkit.deployment.locks import locking
from toolkit.environment import load
from toolkit.errors import StateError
from toolkit.project import Project

# A command that works on the environment, by way of a program that would outlive it.
COMMAND = """
import os, sys
from pathlib import Path
from tests.toolkit.deployment.locks.test_locking import context
from toolkit.deployment.locks import locking
from toolkit.terraform import process
sys.argv = ["toolkit", "apply"]
checkout = Path(os.environ["CHECKOUT"])
lasting = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
program = process.Invocation([sys.executable, "-c", lasting], checkout, dict(os.environ))
with locking.exclusive(context(checkout)):
    tell = lambda line: print(line, flush=True)
    process.run(program, output=checkout / "output", on_line=tell, on_tick=lambda _: None)
"""


def context(checkout: str | Path, timeout: int = 0) -> Context:
    """An environment of which nothing is asked but its name."""
    project = Project(Path(checkout))
    environment = load(Project(ROOT), "local")
    return Context(project, environment, None, quiet(), None, timeout)  # type: ignore[arg-type]


@dataclass
class Holder:
    """A command at work."""

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
    made = Holder(process, int(process.stdout.readline()))
    yield made
    process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(made.terraform, signal.SIGKILL)
    process.communicate()


def refusal(of: Context) -> str:
    with pytest.raises(StateError) as raised, locking.exclusive(of):
        pytest.fail("the environment is in use")
    return str(raised.value)


def test_a_second_command_is_told_who_works(tmp_path: Path, holder: Holder) -> None:
    said = refusal(context(tmp_path))
    assert f"`toolkit apply` (process {holder.process.pid}) since" in said
    assert locking.is_busy(context(tmp_path))
    holder.process.kill()
    os.kill(holder.terraform, signal.SIGKILL)
    with locking.exclusive(context(tmp_path, timeout=60)):
        pass
    assert not locking.is_busy(context(tmp_path))


def test_the_lock_outlives_a_killed_command_for_as_long_as_its_terraform(
    tmp_path: Path, holder: Holder
) -> None:
    holder.process.kill()
    holder.process.wait()
    assert "was killed; its Terraform still brings its work to an end" in refusal(context(tmp_path))
    os.kill(holder.terraform, signal.SIGKILL)
    with locking.exclusive(context(tmp_path, timeout=60)):
        pass
