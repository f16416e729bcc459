"""The interface of the cloud's services; `toolkit.local.server` assembles them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.routing import BaseRoute

from toolkit.local.signature import DEFAULT_REGION
from toolkit.local.status import Item

# moto's setting: a rehearsal runs in the environment's own account.
ACCOUNT_ID = os.environ.get("MOTO_ACCOUNT_ID", "123456789012")


@dataclass(frozen=True)
class Cloud:
    """The running embedded cloud, as seen by its services.

    Attributes:
        directory: for files that need not outlive the cloud.
        endpoint_url: `http://127.0.0.1:<port>`, which serves every AWS API.
        instance_id: random, new at each start.
    """

    directory: Path
    endpoint_url: str
    instance_id: str

    def child_environment(self, region: str = DEFAULT_REGION) -> dict[str, str]:
        """Environment variables for an AWS SDK in a child process, without credentials."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }


class Service(Protocol):
    """A service of the cloud."""

    def routes(self) -> Sequence[BaseRoute]:
        """Its routes, read once before `start`. Unmatched requests go to moto."""

    async def start(self) -> None:
        """Prepare. The cloud accepts requests afterwards."""

    async def stop(self) -> None:
        """Stop all child processes and tasks within a few seconds."""

    def status(self) -> Iterable[Item]:
        """Running resources, for `toolkit local status`. Called in a thread; must not change anything."""
