"""Git repositories of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit_all(folder: Path) -> str:
    """Create a repository with one commit of everything in a folder; returns the commit."""
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--message=all"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
