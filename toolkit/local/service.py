"""What the parts of the embedded cloud have in common: see `toolkit.local.server` for how they meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.routing import BaseRoute

from toolkit.local.status import Item

ACCOUNT_ID = "123456789012"
DEFAULT_REGION = "us-east-1"
# The account's root, which is for whoever runs the cloud: what runs in it has credentials of its roles.
ACCESS_KEY = SECRET_KEY = "local"  # noqa: S105


@dataclass(frozen=True)
class Cloud:
    """The running embedded cloud, as its services see it.

    Attributes:
        directory: where it keeps files; what is in there need not survive it.
        endpoint_url: its address, `http://127.0.0.1:<port>`, which serves every AWS API.
        instance_id: random, new at each start.
    """

    directory: Path
    endpoint_url: str
    instance_id: str

    def child_environment(self, region: str = DEFAULT_REGION) -> dict[str, str]:
        """Environment variables that make AWS SDKs in a child process talk to this cloud.

        Without credentials: those are a matter of the child's role.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }


class Service(Protocol):
    """A part of the cloud, made once by `toolkit.local.server.services`."""

    def routes(self) -> Sequence[BaseRoute]:
        """What it answers; asked once, before `start`. Anything no service answers goes to moto."""

    async def start(self) -> None:
        """Prepare; the cloud answers requests only afterwards."""

    async def stop(self) -> None:
        """End all child processes and tasks, within a few seconds."""

    def status(self) -> Iterable[Item]:
        """What it runs now, for `toolkit local status`. Called in a thread; must not change anything."""
