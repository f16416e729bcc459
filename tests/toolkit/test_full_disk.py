"""A full disk: every write fails with the place and a remedy, and no file is left half written.

The limit on file sizes fails writes at the same point as a full disk: not when a file is opened, but when it
is written.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.checkout import clean_environment
from toolkit import files, os_errors, rendering
from toolkit.deployment.recovery import imports
from toolkit.deployment.recovery.registry import Address
from toolkit.packaging import archive
from toolkit.staging import digests
from toolkit.terraform import init_cache, unstored_state


@contextmanager
def full_disk() -> Iterator[None]:
    """Let every write to a file fail until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_variables(folder: Path) -> None:
    rendering.RuntimeVariables({}).write(folder)


def write_imports(folder: Path) -> None:
    imports.write([imports.Import(Address("module.api.aws_iam_role.function", None, "gateway"), "x")], folder)


def write_report(folder: Path) -> None:
    with files.naming(folder / "report"):
        (folder / "report").write_text("findings")


pytestmark = pytest.mark.slow
WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "variables": ("runtime.tfvars.json", write_variables),
    "imports": ("imports.tfvars.json", write_imports),
    "package": ("gateway.zip", lambda folder: archive.write(folder / "gateway.zip", {"a.py": b"code"})),
    "init record": (init_cache.RECORD, lambda folder: init_cache.remember(folder, "fingerprint")),
    "any file": ("plan", lambda folder: files.write_atomic(folder / "plan", b"a saved plan")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_failed_write_names_the_file_and_keeps_its_content(tmp_path: Path, name: str) -> None:
    file, write = WRITERS[name]
    (tmp_path / file).write_text("before")
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        write(tmp_path)
    error = os_errors.explain(caught.value)
    assert error is not None
    assert (error.exit_code, error.where) == (4, str(tmp_path / file))
    assert "free disk space" in (error.remedy or "")
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "before"


def test_a_failed_report_is_named(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        write_report(tmp_path)
    error = os_errors.explain(caught.value)
    assert error is not None
    assert error.where == str(tmp_path / "report")


def test_an_unstored_state_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large"):
        unstored_state.save({"serial": 1}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_to_the_cache_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "weights").write_text("1")
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        digests.sha256(tmp_path / "weights")
    error = os_errors.explain(caught.value)
    assert error is not None
    assert error.message.startswith("cannot use the cache")
    assert "TOOLKIT_CACHE_DIR" in (error.remedy or "")


def run(*command: str, limit: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the toolkit, with a limit on the bytes in a file."""
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *command],
        env=clean_environment(**environment),
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit,) * 2),
        capture_output=True,
        text=True,
        check=False,
    )


ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
models:
  m:
    serving: {engine: llama_cpp}
    source: {server: "http://127.0.0.1:9/v1"}
    instance_type: ml.c7i.xlarge
"""


@pytest.fixture
def project(tmp_path: Path, checkout: Path) -> Path:
    """A project that shares the checkout's code."""
    root = tmp_path / "project"
    (root / "terraform" / "environments").mkdir(parents=True)
    for name in (
        "lambda_src",
        "policies",
        "requirements",
        "toolkit",
        "terraform/stacks",
        "terraform/modules",
    ):
        (root / name).symlink_to(checkout / name)
    (root / "terraform" / "environments" / "full.yaml").write_text(ENVIRONMENT)
    return root


@pytest.mark.parametrize(
    ("command", "folder"),
    [(["init", "fresh"], "terraform/environments"), (["render", "--env", "full"], "build")],
)
def test_commands_on_a_full_disk(project: Path, command: list[str], folder: str) -> None:
    result = run(*command, limit=16, TOOLKIT_PROJECT=str(project))
    assert result.returncode == 4, result.stderr
    (where,) = re.findall(
        r"^error: (\S+): File too large\n  → .* free disk space$", result.stderr, re.MULTILINE
    )
    assert Path(where).is_relative_to(project / folder)
    assert not Path(where).exists()


def _file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


def _read_only(folder: Path) -> Path:
    (folder / "locked").mkdir(mode=0o500)
    return folder / "locked" / "cache"


# A place → how to put a folder there that takes no files.
UNUSABLE: dict[str, Callable[[Path], Path]] = {
    "a file": _file,
    "below a file": lambda folder: _file(folder) / "cache",
    "a file system without files": lambda _: Path("/proc/toolkit-cache"),
    "read-only": _read_only,
}


@pytest.mark.parametrize("place", UNUSABLE)
@pytest.mark.parametrize("variable", ["TOOLKIT_CACHE_DIR", "HOME"])
def test_an_unusable_cache_or_home(project: Path, tmp_path: Path, place: str, variable: str) -> None:
    if place == "read-only" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    if place == "a file system without files" and not Path("/proc/self").exists():
        pytest.skip("there is no /proc")
    path = UNUSABLE[place](tmp_path)
    own = {variable: str(path), "TOOLKIT_PROJECT": str(project), "XDG_CACHE_HOME": ""}
    result = run("doctor", "--env", "full", **({"TOOLKIT_CACHE_DIR": ""} | own))
    assert result.returncode == 4, result.stderr
    output = result.stdout + result.stderr
    assert "Traceback" not in output
    assert "cannot use the cache: " in output
    assert str(path if path.name != "cache" else path.parent) in output
    assert "set TOOLKIT_CACHE_DIR to a writable folder" in output
