"""The deployers' policies are enough, and no more than needed: proved by what they do, and by having less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.policies.iam.exceptions import EXCEPTIONS
from tests.support import proof
from tests.support.deployers import ACCOUNT, CHANGES, ENV, HOLDERS, PREFIX, REGION, Deployers
from toolkit import permissions

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployers]:
    """The environment, deployed with the deployers' rights alone."""
    made = Deployers.bootstrap(tmp_path_factory.mktemp("proof") / "project")
    try:
        made.succeed("deployer", "apply", "--yes")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def lived(deployers: Deployers) -> Deployers:
    """All that people do with an environment was done once, each thing by who it is for."""
    deployers.succeed("viewer", "status")
    deployers.succeed("viewer", "outputs")
    deployers.succeed("viewer", "releases")
    deployers.succeed("viewer", "plan")
    deployers.succeed("viewer", "smoke-test")
    deployers.succeed("operator", "keys", "create", "second")
    deployers.succeed("operator", "keys", "list")
    deployers.succeed("operator", "keys", "revoke", "second", "--yes")
    deployers.write(CHANGES)
    deployers.succeed("deployer", "apply", "--yes")
    deployers.succeed("operator", "pause", "--yes")
    deployers.succeed("operator", "resume", "--yes")
    deployers.succeed("operator", "rollback", "--yes")
    return deployers
