"""IAM as a service of the cloud: the switch, and the log of decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from toolkit.local.iam import simulation
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.status import Item

# Enforces IAM from the start of the cloud.
SETTING = "TOOLKIT_LOCAL_ENFORCE_IAM"
PATH = "/_toolkit/iam"


class IamService:
    """Lets clients enforce IAM and read the decisions.

    GET `/_toolkit/iam` → `{"enforce": …}`; POST the same to set it.
    GET `/_toolkit/iam/decisions?after=N&principal=ARN` → `{"decisions": [{"number": …, …}]}`; DELETE clears
    the log.
    """

    def __init__(self, enforcement: Enforcement) -> None:
        self._enforcement = enforcement
        simulation.extend(enforcement.account)

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [
            Route(PATH, self._switch, methods=["GET", "POST"]),
            Route(f"{PATH}/decisions", self._decisions, methods=["GET", "DELETE"]),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def status(self) -> Iterable[Item]:
        """No items."""
        return ()

    async def _switch(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                enabled = (await request.json())["enforce"]
            except (json.JSONDecodeError, KeyError, TypeError):
                enabled = None
            if not isinstance(enabled, bool):
                return JSONResponse({"error": 'send {"enforce": true} or {"enforce": false}'}, 400)
            self._enforcement.enforced = enabled
        return JSONResponse({"enforce": self._enforcement.enforced})

    async def _decisions(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._enforcement.log.clear()
            return Response(status_code=204)
        after = request.query_params.get("after", "0")
        if not after.isdigit():
            return JSONResponse({"error": "after must be a number"}, 400)
        decisions = self._enforcement.log.after(int(after), request.query_params.get("principal"))
        return JSONResponse(
            {"decisions": [{"number": number, **item.to_json()} for number, item in decisions]}
        )
