"""Copies of the repository, and the environment of a user who comes to one afresh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_checkout(target: Path) -> Path:
    """Copy what git would commit of the repository, as it is now, to `target`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of a user who has set nothing up for this project."""
    dropped = ("AWS_", "TOOLKIT_", "TF_", "VIRTUAL_ENV", "PYTEST_", "PYTHONPATH", "MAKE", "MFLAGS", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | extra
