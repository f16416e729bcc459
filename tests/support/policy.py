"""The fixtures of policies, planned once by Terraform and scanned once by Checkov."""

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
# Values in the fixtures that the gate must not print.
SECRETS = ("never-shown-1", "nevershown2")
# Planning needs no credentials, but the provider requires some.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def quiet() -> Console:
    """Return a console whose output is discarded."""
    return Console(out=io.StringIO(), err=io.StringIO(), interactive=False)


@functools.cache
def fixtures_plan() -> Mapping[str, Any]:
    """Return Terraform's plan of the fixtures, in JSON."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        # Terraform warns about a missing file.
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
    """Return the project's rules, and the names of all rules."""
    return Scanner(Project(ROOT), quiet()).catalogue()


@functools.cache
def plan_scan() -> Scan:
    """Return Checkov's findings in the plan."""
    return Scanner(Project(ROOT), quiet()).plan(fixtures_plan())


@functools.cache
def source_scan() -> Scan:
    """Return Checkov's findings in the fixtures' source code."""
    return Scanner(Project(ROOT), quiet()).directory(FIXTURES)
