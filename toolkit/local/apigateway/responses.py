"""API Gateway operations that moto lacks: usage, tags, updates of domain names, flushing authorizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from moto.apigateway.models import APIGatewayBackend, UsagePlan, apigateway_backends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from toolkit.local.apigateway.authorizers import Authorizers
from toolkit.local.apigateway.models import holder_of
from toolkit.local.apigateway.usage_plans import Quotas
from toolkit.local.awsapi import ApiError, Handler, SignedRoute
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import Signature

_ARN = re.compile(r"arn:[^:]+:apigateway:(?P<region>[^:]+)::(?P<path>/.+)")
# Patch path of UpdateDomainName → moto's attribute.
_DOMAIN_ATTRIBUTES = {
    "/regionalCertificateArn": "regional_certificate_arn",
    "/regionalCertificateName": "regional_certificate_name",
    "/securityPolicy": "security_policy",
}


class ControlPlane:
    """One method per operation.

    Args:
        quotas: counts the usage of API keys.
        authorizers: caches authorizer results.
    """

    def __init__(self, quotas: Quotas, authorizers: Authorizers) -> None:
        self._quotas = quotas
        self._authorizers = authorizers

    def routes(self) -> Sequence[BaseRoute]:
        """The operations by path and HTTP method."""
        plan = "/usageplans/{plan_id}"
        operations: list[tuple[str, Handler, str]] = [
            (f"{plan}/usage", self.get_usage, "GET"),
            (f"{plan}/keys/{{key_id}}/usage", self.update_usage, "PATCH"),
            ("/restapis/{api_id}/stages/{stage}/cache/authorizers", self.flush_authorizers, "DELETE"),
            ("/domainnames/{name}", self.update_domain_name, "PATCH"),
            ("/tags/{arn:path}", self.get_tags, "GET"),
            ("/tags/{arn:path}", self.tag_resource, "PUT"),
            ("/tags/{arn:path}", self.untag_resource, "DELETE"),
        ]
        return [SignedRoute("apigateway", path, run, methods=[method]) for path, run, method in operations]

    async def get_usage(self, request: Request) -> Response:
        """GetUsage."""
        plan, query = _plan(request), request.query_params
        begin, end = _date(query.get("startDate")), _date(query.get("endDate"))
        keys = self._quotas.keys_of(plan)
        return self._usage(plan, keys & {query["keyId"]} if "keyId" in query else keys, begin, end)

    async def update_usage(self, request: Request) -> Response:
        """UpdateUsage: set how many requests a key has left in the current period."""
        plan, key_id = _plan(request), request.path_params["key_id"]
        if not plan.quota:
            raise ApiError("BadRequestException", "Usage Plan has no quota")
        for operation in (await request.json()).get("patchOperations", []):
            if (operation.get("op"), operation.get("path")) != ("replace", "/remaining"):
                raise ApiError("BadRequestException", "Invalid patch operation: only replace /remaining")
            self._quotas.set_remaining(plan, key_id, int(operation["value"]))
        today = self._quotas.today()
        return self._usage(plan, {key_id}, today, today)

    def _usage(self, plan: UsagePlan, keys: set[str], begin: date, end: date) -> Response:
        values = {key: list(self._quotas.daily_usage(plan, key, begin, end)) for key in sorted(keys)}
        dates = {"startDate": begin.isoformat(), "endDate": end.isoformat()}
        return JSONResponse({"usagePlanId": plan.id, **dates, "values": values})

    async def flush_authorizers(self, request: Request) -> Response:
        """FlushStageAuthorizersCache."""
        self._authorizers.flush(request.path_params["api_id"], request.path_params["stage"])
        return Response(status_code=202)

    async def update_domain_name(self, request: Request) -> Response:
        """UpdateDomainName."""
        domain = _backend(request).domain_names.get(request.path_params["name"])
        if domain is None:
            raise ApiError("NotFoundException", "Invalid domain name identifier specified", status=404)
        operations = (await request.json())["patchOperations"]
        for operation in operations:
            if operation["op"] != "replace" or operation["path"] not in _DOMAIN_ATTRIBUTES:
                raise ApiError("BadRequestException", f"Invalid patch path {operation['path']}")
        for operation in operations:
            setattr(domain, _DOMAIN_ATTRIBUTES[operation["path"]], operation["value"])
        return JSONResponse(domain.to_json())

    async def get_tags(self, request: Request) -> Response:
        """GetTags."""
        return JSONResponse({"tags": dict(_tagged(request).tags or {})})

    async def tag_resource(self, request: Request) -> Response:
        """TagResource."""
        resource = _tagged(request)
        resource.tags = {**(resource.tags or {}), **(await request.json())["tags"]}
        return Response(status_code=204)

    async def untag_resource(self, request: Request) -> Response:
        """UntagResource."""
        resource, removed = _tagged(request), request.query_params.getlist("tagKeys")
        resource.tags = {name: value for name, value in (resource.tags or {}).items() if name not in removed}
        return Response(status_code=204)


def _backend(request: Request) -> APIGatewayBackend:
    return apigateway_backends[ACCOUNT_ID][Signature.of(request.scope).region]


def _plan(request: Request) -> UsagePlan:
    plan = _backend(request).usage_plans.get(request.path_params["plan_id"])
    if plan is None:
        raise ApiError("NotFoundException", "Invalid Usage Plan ID specified", status=404)
    return plan


def _date(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError as error:
        raise ApiError("BadRequestException", "Invalid date, expected YYYY-MM-DD") from error


def _tagged(request: Request) -> Any:
    """moto's object for the ARN in the path."""
    match = _ARN.fullmatch(request.path_params["arn"])
    resource = holder_of(match["region"], match["path"]) if match is not None else None
    if resource is None:
        raise ApiError("NotFoundException", "Invalid resource identifier specified", status=404)
    return resource
