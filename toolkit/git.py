"""Runs git."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from toolkit.processes import environment_without_secrets

# Exit code of a shell when there is no such program.
NOT_INSTALLED: Final = 127


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, with further environment variables."""
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            # Messages are read.
            env={**environment_without_secrets(), "LC_ALL": "C", **variables},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, NOT_INSTALLED, b"", b"git is not installed")


def output(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it fails."""
    result = run(folder, *arguments)
    return result.stdout.decode(errors="replace").strip() if result.returncode == 0 else None
