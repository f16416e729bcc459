"""API Gateway as a service of the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute

from toolkit.local.apigateway import domains, models, usage_plans
from toolkit.local.apigateway.access import IamAuthorization
from toolkit.local.apigateway.authorizers import Authorizers
from toolkit.local.apigateway.metrics import Recorder
from toolkit.local.apigateway.responses import ControlPlane
from toolkit.local.apigateway.runtime import DataPlane
from toolkit.local.apigateway.usage_plans import Quotas
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.runtime import Runner
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.status import ApiStatus, Item


class ApiGatewayService:
    """Serves REST APIs.

    Args:
        functions: runs the functions behind them.
        enforcement: authorizes signed requests.
        metrics: receives their metrics.
    """

    def __init__(self, functions: Runner, enforcement: Enforcement, metrics: Metrics) -> None:
        quotas, authorizers = Quotas(), Authorizers(functions)
        self._control_plane = ControlPlane(quotas, authorizers)
        self._data_plane = DataPlane(
            functions, IamAuthorization(enforcement), authorizers, quotas, Recorder(metrics)
        )

    def routes(self) -> Sequence[BaseRoute]:
        """All stages of all APIs, and the operations that moto lacks."""
        return [*self._data_plane.routes(), *self._control_plane.routes()]

    async def start(self) -> None:
        """Extend moto."""
        models.extend()
        domains.extend()
        usage_plans.extend()

    async def stop(self) -> None:
        """Nothing runs in the background."""

    def status(self) -> Iterable[Item]:
        """All APIs."""
        for region, api in models.apis():
            yield ApiStatus(api.id, api.name, region, tuple(sorted(api.stages)))
