"""The stack of fixtures for policies, planned once by real Terraform and scanned once by real checkov."""

from __future__ import annotations

import functools
import io
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from toolkit.console import Console
from toolkit.gate.rules import Rule
from toolkit.gate.scan import Scan, Scanner
from toolkit.project import Project
from toolkit.terraform import Workspace, discover

FIXTURES = ROOT / "tests" / "policies" / "checkov" / "fixtures"
# Values in the fixtures that must not come out of the gate again.
SECRETS = ("never-shown-1", "nevershown2")
# Planning needs none, but the provider asks for some.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def quiet() -> Console:
    """A console that nobody reads."""
    return Console(out=io.StringIO(), err=io.StringIO(), interactive=False)


@functools.cache
def fixtures_plan() -> Mapping[str, Any]:
    """What Terraform plans for the fixtures, in JSON."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        # A file that does not exist makes Terraform warn.
        patch.delenv("TF_CLI_CONFIG_FILE", raising=False)
        stack = shutil.copytree(FIXTURES, Path(directory, "stack"))
        project = Project(ROOT)
        workspace = Workspace(
            program=discover(project, quiet()),
            project=project,
            stack=stack,
            directory=Path(directory, "build"),
            environment=CREDENTIALS,
            console=quiet(),
        )
        workspace.init()
        return workspace.show(workspace.plan())


@functools.cache
def catalogue() -> tuple[tuple[Rule, ...], dict[str, str]]:
    """The project's rules, and the names of all rules."""
    return Scanner(Project(ROOT), quiet()).catalogue()


@functools.cache
def plan_scan() -> Scan:
    """What checkov finds in the plan."""
    return Scanner(Project(ROOT), quiet()).plan(fixtures_plan())


@functools.cache
def source_scan() -> Scan:
    """What checkov finds in the fixtures' source code."""
    return Scanner(Project(ROOT), quiet()).directory(FIXTURES)
