"""Layout and format of terraform/."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.terraform import copy_project, find_program

MODULE_FILES = {"README.md", "examples", "main.tf", "outputs.tf", "variables.tf", "versions.tf"}


def test_the_code_is_formatted(checkout: Path, tmp_path: Path) -> None:
    program = find_program(copy_project(tmp_path))
    result = subprocess.run(
        [*program.argv, "fmt", "-check", "-recursive", "-diff", "terraform"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"run `terraform fmt -recursive terraform`\n{result.stdout}{result.stderr}"


def test_modules_have_standard_files_and_a_short_example(checkout: Path) -> None:
    modules = sorted((checkout / "terraform" / "modules").iterdir())
    assert modules
    for module in modules:
        assert {path.name for path in module.iterdir()} >= MODULE_FILES, module
        assert len((module / "examples" / "basic" / "main.tf").read_text().splitlines()) < 40, module


def test_modules_are_planned_enabled_and_disabled(checkout: Path) -> None:
    planned = (Path(__file__).parent / "test_modules.py").read_text()
    for module in (checkout / "terraform" / "modules").iterdir():
        assert f"../../modules/{module.name}/examples/basic" in planned
        assert f'module "off_{module.name}"' in planned
