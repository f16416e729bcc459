"""Death and return: of the embedded cloud, and of a deployment."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import copy_checkout
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Toolkit]:
    """A checkout and cloud of this test's own, because it breaks them."""
    program = Toolkit(copy_checkout(tmp_path / "project"))
    yield program
    program.succeed("local", "down")


def test_killed_brought_back_destroyed(own: Toolkit) -> None:
    own.succeed("apply", "--env", "local")
    cloud = json.loads(own.succeed("local", "status", "--json"))
    processes = psutil.Process(cloud["pid"]).children(recursive=True)
    assert processes

    os.kill(cloud["pid"], signal.SIGKILL)
    # With the cloud die its model servers and functions: none is left to hold memory and ports.
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert alive == []
    refused = own("smoke-test", "--env", "local")
    assert refused.returncode == 4
    assert "make apply ENV=local" in refused.stderr

    own.succeed("apply", "--env", "local")
    own.succeed("smoke-test", "--env", "local")

    asked = own("destroy", "--env", "local")
    assert asked.returncode == 2  # nobody to ask in a pipe
    own.succeed("destroy", "--env", "local", "--yes")
    left = json.loads(own.succeed("local", "status", "--json"))
    assert (left["endpoints"], left["functions"], left["apis"], left["processes"]) == ([], [], [], [])
    gone = own("outputs", "--env", "local", "--json")
    assert gone.returncode == 4
    assert gone.stdout == ""
