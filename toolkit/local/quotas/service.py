"""Service Quotas as a service of the cloud.

Operations: ListServiceQuotas, ListAWSDefaultServiceQuotas, GetServiceQuota, and RequestServiceQuotaIncrease,
which is granted at once.

POST `/_toolkit/quotas` `{"region": …, "service": …, "name": …, "value": …}` sets a quota; null removes it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from toolkit.local.awsapi import ApiError, Members, TargetRoute, json_response
from toolkit.local.quotas.models import QUOTAS, Quota
from toolkit.local.signature import Signature
from toolkit.local.status import Item
from toolkit.local.validation import members_of

PATH = "/_toolkit/quotas"
# The most that AWS returns at once (API reference, ListServiceQuotas).
_PAGE = 100


class QuotaService:
    """Quotas of the account in all regions."""

    def __init__(self) -> None:
        self._operations: dict[str, Callable[[str, Members], Members]] = {
            "ListServiceQuotas": self._list,
            "ListAWSDefaultServiceQuotas": self._list_defaults,
            "GetServiceQuota": self._get,
            "RequestServiceQuotaIncrease": self._request_increase,
        }

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [
            Route(PATH, self._set, methods=["POST"]),
            TargetRoute("ServiceQuotasV20190624", self._operations, self._handle),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def status(self) -> Iterable[Item]:
        """No items."""
        return ()

    async def _handle(self, request: Request) -> Response:
        operation = self._operations[request.path_params["operation"]]
        return json_response(operation(Signature.of(request.scope).region, members_of(request)))

    async def _set(self, request: Request) -> Response:
        try:
            quota = await request.json()
            value = quota["value"]
            QUOTAS.set(
                quota["region"], quota["service"], quota["name"], None if value is None else float(value)
            )
        except (json.JSONDecodeError, LookupError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"send region, service, name and value: {error}"}, 400)
        return JSONResponse(quota)

    def _list(self, region: str, members: Members) -> Members:
        return _page(self._of_service(region, members), members)

    def _list_defaults(self, region: str, members: Members) -> Members:
        return _page(QUOTAS.all(region, members["ServiceCode"], applied=False), members)

    def _get(self, region: str, members: Members) -> Members:
        return {"Quota": _described(self._find(region, members))}

    def _request_increase(self, region: str, members: Members) -> Members:
        quota, desired = self._find(region, members), members["DesiredValue"]
        if desired <= quota.value:
            message = "You must provide a quota value greater than the current quota value."
            raise ApiError("IllegalArgumentException", message)
        QUOTAS.set(region, quota.service, quota.name, float(desired))
        names = ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn")
        description = _described(quota)
        request = {name: description[name] for name in names}
        return {
            "RequestedQuota": {
                **request,
                "Id": uuid.uuid4().hex,
                "DesiredValue": desired,
                "Status": "APPROVED",
            }
        }

    def _of_service(self, region: str, members: Members) -> list[Quota]:
        quotas = QUOTAS.all(region, members["ServiceCode"])
        return [quota for quota in quotas if members.get("QuotaCode") in (None, quota.code)]

    def _find(self, region: str, members: Members) -> Quota:
        for quota in self._of_service(region, members):
            return quota
        raise ApiError("NoSuchResourceException", "The request failed because the quota was not found.")


def _page(quotas: list[Quota], members: Members) -> Members:
    start = int(members.get("NextToken") or 0)
    end = start + min(int(members.get("MaxResults") or _PAGE), _PAGE)
    more = {"NextToken": str(end)} if end < len(quotas) else {}
    return {"Quotas": [_described(quota) for quota in quotas[start:end]], **more}


def _described(quota: Quota) -> Members:
    return {
        "ServiceCode": quota.service,
        "ServiceName": {"sagemaker": "Amazon SageMaker", "lambda": "AWS Lambda"}[quota.service],
        "QuotaArn": quota.arn,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": quota.value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
