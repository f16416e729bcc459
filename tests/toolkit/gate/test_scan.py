"""Lifecycle of the Checkov process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.checkout import ROOT
from tests.support.cloud import environment_of, is_gone
from tests.support.patience import wait_for
from tests.support.policy import quiet
from toolkit.errors import ToolkitError
from toolkit.gate.scan import Scanner
from toolkit.project import Project

pytestmark = pytest.mark.slow

START = """
import os, signal
from pathlib import Path
from toolkit.console import Console
from toolkit.gate.scan import Scanner
from toolkit.project import Project

scanner = Scanner(Project(Path.cwd()), Console())
print(scanner._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def scanners() -> set[int]:
    """Ids of this test's child processes."""
    return {child.pid for child in psutil.Process().children()}


def test_closing_without_a_scan_ends_the_process() -> None:
    before = scanners()
    scanner = Scanner(Project(ROOT), quiet())
    assert len(scanners() - before) == 1
    scanner.close()
    assert scanners() == before


def test_the_process_ends_when_the_toolkit_is_killed() -> None:
    killed = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    pid = int(killed.stdout)
    wait_for(lambda: is_gone(pid), "the scanner's end")


def test_checkov_sees_no_credentials_and_none_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "HF_TOKEN",
        "GITHUB_TOKEN",
        "CKV_X",
        "TF_VAR_a",
    ):
        monkeypatch.setenv(name, "the user's")
    before = scanners()
    scanner = Scanner(Project(ROOT), quiet())
    (pid,) = scanners() - before
    environment = environment_of(pid)
    scanner.close()
    assert "PATH" in environment
    assert "the user's" not in environment.values()


def test_values_of_a_plan_do_not_include_files() -> None:
    group = {
        "name": "one",
        "type": "aws_security_group",
        "address": "aws_security_group.one",
        "mode": "managed",
    }
    values = {"ingress": [], "names": ["${file(missing.yaml)}"]}
    planned = {"root_module": {"resources": [{**group, "values": values}]}}
    scanner = Scanner(Project(ROOT), quiet())
    scan = scanner.plan({"terraform_version": "1.11.4", "planned_values": planned})
    assert (scan.resources, scan.unreadable) == (1, ())


def test_a_killed_process_is_an_error() -> None:
    before = scanners()
    scanner = Scanner(Project(ROOT), quiet())
    (pid,) = scanners() - before
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ToolkitError, match="the policy scanner failed"):
        scanner.catalogue()
