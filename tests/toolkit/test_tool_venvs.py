"""Tool environments: installed once from a lock file, never partially."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "requirements").mkdir()
    (tmp_path / "terraform" / "stacks").mkdir(parents=True)
    return Project(tmp_path)


def wheel(directory: Path, version: str) -> str:
    """Create a tiny wheel; returns its line in a lock file."""
    import hashlib
    import zipfile

    path = directory / f"greeting-{version}-py3-none-any.whl"
    info = f"greeting-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("greeting.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"greeting @ {path.as_uri()} --hash=sha256:{digest}\n"


def compiled(tool: tool_venvs.ToolVenv) -> list[Path]:
    return list(tool.site_packages.glob("__pycache__/greeting*.pyc"))


@pytest.mark.slow
def test_installed_once_and_again_when_the_lock_changes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    lock = project.root / "requirements" / "greeting.txt"
    lock.write_text(wheel(tmp_path, "1.0"))
    stderr = io.StringIO()
    with ThreadPoolExecutor(2) as pool:  # two runs at once
        futures = [pool.submit(tool_venvs.ensure, project, "greeting", Console(err=stderr)) for _ in range(2)]
        first, second = (future.result() for future in futures)
    assert first == second == tool_venvs.ensure(project, "greeting", Console(err=stderr))
    assert stderr.getvalue().count("installing greeting") == 1

    assert compiled(first) == []

    # If Python may not cache bytecode, the installation compiles everything.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    lock.write_text(wheel(tmp_path, "2.0"))
    newer = tool_venvs.ensure(project, "greeting", Console(err=stderr))
    assert len(compiled(newer)) == 1
    program = "import greeting; print(greeting.version)"
    versions = [
        subprocess.run([tool.python, "-c", program], capture_output=True, text=True, check=True).stdout
        for tool in (first, newer)
    ]
    assert versions == ["1.0\n", "2.0\n"]


ENSURE = """
import sys
from pathlib import Path
from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.project import Project
print(tool_venvs.ensure(Project(Path(sys.argv[1])), "greeting", Console()).path.name)
"""


@pytest.mark.slow
def test_caches_that_share_the_folder_install_once(project: Project, tmp_path: Path) -> None:
    (project.root / "requirements" / "greeting.txt").write_text(wheel(tmp_path, "1.0"))
    (tmp_path / "shared").mkdir()
    running = []
    for name in ("a", "b", "c"):
        cache = tmp_path / name
        cache.mkdir()
        (cache / "tools").symlink_to(tmp_path / "shared")
        environment = {**os.environ, "TOOLKIT_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", ENSURE, str(project.root)]
        running.append(
            subprocess.Popen(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
    results = [process.communicate() for process in running]
    assert len({output for output, _ in results}) == 1, results
    assert "".join(errors for _, errors in results).count("installing greeting") == 1


@pytest.mark.slow
def test_a_failed_installation_is_removed(project: Project, tmp_path: Path) -> None:
    line = wheel(tmp_path, "1.0")
    (project.root / "requirements" / "greeting.txt").write_text(line[:-5] + "0000\n")
    with pytest.raises(PreflightError) as caught:
        tool_venvs.ensure(project, "greeting", Console(err=io.StringIO()))
    assert "greeting" in str(caught.value)
    assert "hash" in str(caught.value).lower()
    assert [path for path in (tmp_path / "cache" / "tools").iterdir() if path.suffix != ".lock"] == []
