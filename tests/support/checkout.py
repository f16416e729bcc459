"""Copies of the repository, and the process environment of a new user."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A `terraform` that does not verify the provider again at every command.
PROGRAMS = ROOT / "tests" / "support" / "bin"


def copy_checkout(target: Path) -> Path:
    """Copy the files that git tracks or would add, in their present state, to `target`."""
    output = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, output.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


# Prefixes of variables by which a user or a CI system configures programs and their output.
_SETTINGS = ("AWS_", "HF_", "HUGGING_FACE_", "TOOLKIT_LOCAL_", "CI", "GITHUB_", "GITLAB_")
_LOOKS = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "PY_COLORS", "TTY_")
_NOBODYS = (*_SETTINGS, *_LOOKS)


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the process environment of a user who has configured nothing for this project."""
    dropped = (*_NOBODYS, "TOOLKIT_", "TF_", "VIRTUAL_ENV", "PYTEST_", "PYTHONPATH", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    # Not in benchmarks.
    if "PYTEST_VERSION" in os.environ and shutil.which("terraform"):
        environment["PATH"] = f"{PROGRAMS}{os.pathsep}{environment['PATH']}"
    return environment | extra


def forget_settings() -> None:
    """Remove this machine's settings from the environment of the tests."""
    for name in [name for name in os.environ if name.startswith(_NOBODYS)]:
        del os.environ[name]
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ[name] = os.devnull
    # Half as many collections as in the toolkit's runs of Terraform, for 150 MB of each process.
    os.environ["GOGC"] = "800"
    # Rich draws nothing on a dumb terminal.
    os.environ["TERM"] = "xterm"
    # Without credentials, boto3 would search the network for the instance metadata service.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, ["127.0.0.1", "localhost", os.environ.get(name)]))
