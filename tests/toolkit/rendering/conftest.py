"""Environments with one model, and Terraform without providers, which reads rendered values."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.console import Console
from toolkit.environment import Environment, load
from toolkit.project import Project
from toolkit.terraform import discover

READER = 'variable "value" {\n  type = any\n}\n\noutput "value" {\n  value = var.value\n}\n'
HEAD = 'target: {target}\nname: llm\nregion: {region}\naccount_id: "123456789012"\nmodels:\n  m:\n'


def environment(
    tmp_path: Path, model: str, target: str = "aws", region: str = "us-east-1", further: str = ""
) -> Environment:
    """An environment with one model, `m`, and further text in its file."""
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = HEAD.format(target=target, region=region) + "".join(f"    {line}\n" for line in model.splitlines())
    text += further
    project.environment_file("test").write_text(text)
    return load(project, "test")


@pytest.fixture(scope="session")
def terraform(checkout: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Terraform in a directory, without settings of the user."""
    console = Console(out=io.StringIO(), err=io.StringIO(), interactive=False)
    argv = discover(Project(checkout), console).argv
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}

    def run(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *arguments],
            cwd=cwd,
            input=stdin,
            env=environment | {"CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def arrives(
    terraform: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Any]:
    """The value of `var.value` in Terraform for the text of a variables file."""
    directory = tmp_path_factory.mktemp("reader")
    (directory / "main.tf").write_text(READER)

    def read(variables: str) -> Any:
        (directory / "terraform.tfvars").write_text(variables, encoding="utf-8", newline="")
        applied = terraform("apply", "-auto-approve", "-no-color", cwd=directory)
        assert applied.returncode == 0, applied.stderr
        return json.loads(terraform("output", "-json", cwd=directory).stdout)["value"]["value"]

    return read
