"""AWS Budgets and Cost Explorer as a service of the cloud: one instance for all regions, as on AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.awsapi import Handler, Members, TargetRoute, json_response
from toolkit.local.billing.budgets import Budgets
from toolkit.local.billing.cost_explorer import CostExplorer
from toolkit.local.iam.models import Tags
from toolkit.local.status import Item
from toolkit.local.validation import members_of


class BillingService:
    """Budgets, anomaly monitors and their subscriptions, and cost allocation tags.

    Args:
        tags: of all resources, for IAM.
    """

    def __init__(self, tags: Tags) -> None:
        self._budgets, self._cost_explorer = Budgets(), CostExplorer()
        tags.add_source("budgets", lambda arn: self._budgets.tags(str(arn)))
        tags.add_source("ce", lambda arn: self._cost_explorer.tags(str(arn)))

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [
            TargetRoute(prefix, operations, _handler(operations))
            for prefix, operations in (
                ("AWSBudgetServiceGateway", self._budgets.operations),
                ("AWSInsightsIndexService", self._cost_explorer.operations),
            )
        ]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []


def _handler(operations: Mapping[str, Callable[[Members], Members]]) -> Handler:
    async def handle(request: Request) -> Response:
        return json_response(operations[request.path_params["operation"]](members_of(request)))

    return handle
