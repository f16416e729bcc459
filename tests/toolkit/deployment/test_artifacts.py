"""The rendered files of an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.deployment import artifacts
from toolkit.deployment.context import Context
from toolkit.environment import EnvironmentFileError
from toolkit.packaging import FUNCTIONS, Package

NEIGHBOUR = "target: local\nname: llm\nregion: us-east-1\nmodels: broken\n"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """An environment whose account has another one with an invalid file."""
    context = opened(tmp_path, AwsAccess("us-east-1", "123456789012")).context
    context.project.environment_file("y").write_text(NEIGHBOUR)
    return context


def test_only_the_account_needs_its_other_environments(context: Context) -> None:
    packages = {name: Package(context.project.lambda_build / f"{name}.zip", "0" * 64) for name in FUNCTIONS}
    variables = artifacts.render(context, packages).variables
    assert [path.name for path in context.build.iterdir()] == [variables.name] == ["inference.tfvars"]
    with pytest.raises(EnvironmentFileError, match=r"y\.yaml"):
        artifacts.write_account(context)
