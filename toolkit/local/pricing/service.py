"""The Price List API as a service of the cloud.

Operation: GetProducts, with filters of type TERM_MATCH.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.awsapi import ApiError, Members, TargetRoute, json_response
from toolkit.local.pricing.models import products
from toolkit.local.status import Item
from toolkit.local.validation import members_of

# The default and the most (API reference, GetProducts).
_PAGE = 100


class PricingService:
    """Prices of all regions."""

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [TargetRoute("AWSPriceListService", ("GetProducts",), self._handle)]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def status(self) -> Iterable[Item]:
        """No items."""
        return ()

    async def _handle(self, request: Request) -> Response:
        return json_response(_get_products(members_of(request)))


def _get_products(members: Members) -> Members:
    filters = members.get("Filters", [])
    for item in filters:
        if item["Type"] != "TERM_MATCH":
            message = f"The embedded cloud has no filters of type {item['Type']}."
            raise ApiError("InvalidParameterException", message)
    matches = [product for product in products() if _matches(product, members["ServiceCode"], filters)]
    token = members.get("NextToken", "0")
    if not token.isdecimal() or int(token) > len(matches):
        raise ApiError("InvalidNextTokenException", "The pagination token is invalid.")
    start = int(token)
    end = start + int(members.get("MaxResults") or _PAGE)
    more = {"NextToken": str(end)} if end < len(matches) else {}
    # The API returns JSON in strings.
    return {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(product) for product in matches[start:end]],
        **more,
    }


def _matches(product: dict[str, Any], service: str, filters: Iterable[dict[str, str]]) -> bool:
    fields = {**product["product"]["attributes"], "productFamily": product["product"]["productFamily"]}
    fields["ServiceCode"] = product["serviceCode"]
    return product["serviceCode"] == service and all(
        fields.get(item["Field"]) == item["Value"] for item in filters
    )
