"""Fixtures: real Terraform and AWS provider on a copy of terraform/, and the embedded cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloudprocess import CloudProcess, running
from tests.support.terraform import Account, Rig, apply_account, copy_project, find_program, make_packages


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The embedded cloud."""
    # AWS's pace: faster autoscaling would scale in idle fleets while Terraform runs.
    with running(tmp_path_factory.mktemp("cloud"), TOOLKIT_LOCAL_TIME_SCALE="1") as process:
        yield process


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory, cloud: CloudProcess) -> Rig:
    """Terraform on a copy of terraform/."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    return Rig(project, find_program(project), cloud)


@pytest.fixture(scope="session")
def account(rig: Rig) -> Account:
    """The account stack, applied."""
    return apply_account(rig)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Placeholder zip files for the functions."""
    return make_packages(tmp_path_factory.mktemp("packages"))
