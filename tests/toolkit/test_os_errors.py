"""Errors of the file system: permissions, full disks, files in place of folders."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import clean_environment
from toolkit import os_errors
from toolkit.errors import InputError


def test_an_unwritable_cache_is_an_error_with_a_remedy(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    script = """
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import discover
from toolkit.__main__ import _exit_with_error
try:
    discover(Project.find(), Console())
except Exception as error:
    _exit_with_error(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=checkout,
        # The version of a program is cached, that of a script like tests/support/bin/terraform is not.
        env=clean_environment(TOOLKIT_CACHE_DIR=str(file / "cache"), PATH=os.environ["PATH"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 4
    assert "Traceback" not in result.stderr
    assert "TOOLKIT_CACHE_DIR" in result.stderr


def test_other_paths_are_named(tmp_path: Path) -> None:
    error = os_errors.explain(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "plan.tfplan")))
    assert error is not None
    assert (error.where, error.message) == (str(tmp_path / "plan.tfplan"), "No space left on device")


def test_a_full_disk_is_named_without_a_file_name() -> None:
    with pytest.raises(OSError, match="No space left") as raised, Path("/dev/full").open("w") as file:
        file.write("what does not fit")
    assert raised.value.filename is None
    error = os_errors.explain(raised.value)
    assert error is not None
    assert error.message.endswith("No space left on device")
    assert Path(error.where or "").is_dir()


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(NotADirectoryError) as raised:
        (tmp_path / "build" / "local" / "deep").mkdir(parents=True)
    error = os_errors.explain(raised.value)
    assert error is not None
    assert error.where == str(tmp_path / "build")
    with pytest.raises(FileExistsError) as folder_error:
        tmp_path.mkdir()
    assert os_errors.explain(folder_error.value) is None


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "No such file", "/x"), ConnectionResetError(errno.ECONNRESET, "reset")],
)
def test_defects_are_not_converted(error: OSError) -> None:
    assert os_errors.explain(error) is None


def test_a_name_that_is_too_long_is_not_a_defect() -> None:
    with pytest.raises(OSError, match="too long") as raised:
        Path("a" * 3000).exists()
    assert "File name too long" in str(os_errors.explain(raised.value))


def test_a_broken_link_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    link = tmp_path / "build"
    link.symlink_to(tmp_path / "missing")
    with pytest.raises(FileExistsError) as raised:
        link.mkdir(exist_ok=True)
    error = os_errors.explain(raised.value)
    assert error is not None
    assert (error.where, error.message) == (str(link), "a broken link is in place of a folder")


@pytest.mark.parametrize("path", ["/proc/x", "file/x", "link", "link/x"])
def test_every_error_of_a_named_output_is_explained(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/proc/x")
    output = tmp_path / path
    with pytest.raises(InputError, match="cannot write a report: ") as raised, os_errors.writing(output):
        output.write_text("report")
    assert (raised.value.where, raised.value.exit_code) == (str(output), 2)
    with pytest.raises(PermissionError), os_errors.writing(output):
        raise PermissionError(errno.EACCES, "Permission denied", path)
