"""One real deployment of the local environment, shared by the tests that do not change it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.checkout import copy_checkout
from tests.support.toolkit import Deployed, Toolkit


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolkit]:
    """The program in a fresh checkout; its embedded cloud is stopped at the end."""
    program = Toolkit(copy_checkout(tmp_path_factory.mktemp("project")))
    file = program.project / "terraform" / "environments" / "local.yaml"
    file.write_text(file.read_text().replace("account:\n", "account:\n  agents: {}\n"))
    yield program
    program.stop_cloud()


@pytest.fixture(scope="session")
def deployed(toolkit: Toolkit) -> Deployed:
    """The environment after `toolkit apply --env local`."""
    applied = toolkit("apply", "--env", "local")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    return Deployed(
        toolkit=toolkit,
        first_apply=applied,
        outputs=json.loads(toolkit.succeed("outputs", "--env", "local", "--json")),
        api_key=toolkit.succeed("keys", "show", "default", "--env", "local").strip(),
    )
