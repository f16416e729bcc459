"""Requests to REST APIs, at `/_aws/execute-api/{api}/{stage}/{path}`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from toolkit.local.apigateway import documents, domains, integration, keys, plans, privateapis, stages, tags
from toolkit.local.apigateway.authorizer import Authorizers
from toolkit.local.apigateway.call import Call
from toolkit.local.apigateway.domains import BASE_PATH, PREFIX
from toolkit.local.apigateway.errors import GatewayError, Refusal, misconfigured
from toolkit.local.apigateway.iamauth import IamAuthorization
from toolkit.local.apigateway.outcome import Recorded, Recorder
from toolkit.local.apigateway.quota import Quotas
from toolkit.local.apigateway.responses import forbidden, gateway_response
from toolkit.local.apigateway.throttle import Throttle
from toolkit.local.awsapi import SignedRoute
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.runner import Runner
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.status import ApiStatus, Item

_log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")


class ApiGatewayService:
    """Serves REST APIs.

    Args:
        functions: what runs behind them.
        enforcement: decides on signed requests.
        metrics: where their metrics go.
    """

    def __init__(self, functions: Runner, enforcement: Enforcement, metrics: Metrics) -> None:
        self._functions = functions
        self._iam = IamAuthorization(enforcement)
        self._record = Recorder(metrics)
        self._authorizers = Authorizers(functions)
        self._throttle = Throttle()
        self._quotas = Quotas()

    def routes(self) -> Sequence[BaseRoute]:
        """All stages of all APIs, and what moto's control plane lacks."""
        plan = "/usageplans/{plan_id}"
        cache = "/restapis/{api_id}/stages/{stage}/cache/authorizers"
        return [
            Route(f"{PREFIX}/{{api_id}}/{{stage}}{{path:path}}", self._handle, methods=_METHODS),
            SignedRoute("apigateway", f"{plan}/usage", self._quotas.get_usage, methods=["GET"]),
            SignedRoute(
                "apigateway", f"{plan}/keys/{{key_id}}/usage", self._quotas.update_usage, methods=["PATCH"]
            ),
            SignedRoute("apigateway", cache, self._flush_authorizers, methods=["DELETE"]),
            SignedRoute("apigateway", "/domainnames/{name}", domains.update, methods=["PATCH"]),
            SignedRoute("apigateway", "/tags/{arn:path}", tags.operate, methods=["GET", "PUT", "DELETE"]),
        ]

    async def start(self) -> None:
        """Extend moto."""
        documents.extend()
        domains.extend()
        privateapis.extend()
        plans.extend()
        stages.extend()

    async def stop(self) -> None:
        """Nothing runs here by itself."""

    def status(self) -> Iterable[Item]:
        """All APIs."""
        for region, api in documents.apis():
            yield ApiStatus(api.id, api.name, region, tuple(sorted(api.stages)))

    async def _flush_authorizers(self, request: Request) -> Response:
        self._authorizers.flush(request.path_params["api_id"], request.path_params["stage"])
        return Response(status_code=202)

    async def _handle(self, request: Request) -> Response:
        stage = documents.find(request.path_params["api_id"], request.path_params["stage"])
        if stage is None:
            return forbidden()
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=499)
        call = Call(
            stage=stage,
            http_method=request.method,
            path=_path(request, stage),
            query=request.url.query,
            headers=request.headers,
            body=body,
            source_ip=request.client.host if request.client else "127.0.0.1",
            url=_url(request, stage),
            base_path=request.scope.get(BASE_PATH),
        )
        return Recorded(await self._answer_or_refuse(call), call, self._record)

    async def _answer_or_refuse(self, call: Call) -> Response:
        try:
            return await self._answer(call)
        except GatewayError as error:
            if error.reason:
                _log.warning("%s %s: %s", call.http_method, call.path, error)
            refusal = error
        except Exception as error:  # noqa: BLE001 a mistake in the cloud; logged, not shown
            _log.exception("%s %s", call.http_method, call.path)
            refusal = misconfigured(str(error))
        call.outcome.error = (refusal.refusal.name, refusal.message)
        return gateway_response(call, refusal)

    async def _answer(self, call: Call) -> Response:
        if len(call.body) > MAX_BODY_BYTES:
            raise GatewayError(Refusal.REQUEST_TOO_LARGE, "Request Too Long")
        found = call.stage.definition.find(call.http_method, call.path)
        if found is None:
            raise GatewayError(Refusal.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
        call.method, call.parameters = found
        self._iam.authorize(call)
        call.identity = await self._authorizers.authorize(call)
        use = keys.check(call)
        self._throttle.admit(call, use)
        if use is not None:
            self._quotas.count(use)
        return await integration.run(call, self._functions)


async def _body(request: Request) -> bytes:
    """The body, or the first part of one that is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            break
    return b"".join(parts)


def _url(request: Request, stage: documents.DeployedStage) -> str:
    """The address as the client has it, with the path encoded as it was sent."""
    base_path = request.scope.get(BASE_PATH)
    raw = _raw_path(request) if base_path is None else f"{base_path}{_path(request, stage)}"
    return f"{request.url.scheme}://{request.url.netloc}{raw}?{request.url.query}"


def _path(request: Request, stage: documents.DeployedStage) -> str:
    path = _raw_path(request).removeprefix(f"{PREFIX}/{stage.api_id}/{stage.name}")
    return path or "/"


def _raw_path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("latin1").partition("?")[0]
