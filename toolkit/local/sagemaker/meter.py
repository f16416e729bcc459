"""Meters the instances of endpoints in seconds on AWS: those of which a bill would consist.

AWS bills instances by the second, but no source was found that says from when. An instance counts from its
launch, which is the most that AWS can bill: a bill that begins when it is in service is less by its start-up,
which is metered, too. It counts until it has finished its last requests and is stopped. An instance that does
not start counts as long as it tried.

GET `/_toolkit/meter` returns all instances since the cloud's start.
"""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from toolkit.local.clock import CLOCK
from toolkit.local.status import Metered, MeteredInstance

PATH = "/_toolkit/meter"


class Meter:
    """The instances of all endpoints, also of deleted ones."""

    def __init__(self) -> None:
        self._instances: list[MeteredInstance] = []

    def launch(self, region: str, endpoint: str, variant: str, instance_type: str) -> MeteredInstance:
        """Meter an instance from now."""
        instance = MeteredInstance(region, endpoint, variant, instance_type, CLOCK.now())
        self._instances.append(instance)
        return instance

    def route(self) -> Route:
        """The path of the meter."""
        return Route(PATH, self._handle, methods=["GET"])

    def read(self) -> Metered:
        """All instances until now."""
        return Metered(CLOCK.now(), tuple(self._instances))

    async def _handle(self, _: Request) -> Response:
        return JSONResponse(asdict(self.read()))


# Of this process, like moto's resources.
METER = Meter()
