"""Requests to deployed REST APIs, at `/_aws/execute-api/{api}/{stage}/{path}`: each check in order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from toolkit.local.apigateway import integration, models
from toolkit.local.apigateway.access import IamAuthorization
from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.authorizers import Authorizers
from toolkit.local.apigateway.exceptions import GatewayError, Refusal, misconfigured
from toolkit.local.apigateway.gateway_responses import forbidden, gateway_response
from toolkit.local.apigateway.metrics import Recorded, Recorder
from toolkit.local.apigateway.models import DeployedStage
from toolkit.local.apigateway.throttling import Throttle
from toolkit.local.apigateway.usage_plans import Quotas, authorize_key
from toolkit.local.awsapi import BASE_PATH, EXECUTE_API
from toolkit.local.functions.runtime import Runner
from toolkit.local.header_names import sent_names

_log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")


class DataPlane:
    """Answers requests to deployed APIs.

    Args:
        functions: runs the functions behind them.
        iam: checks signed requests.
        authorizers: invokes Lambda authorizers.
        quotas: counts requests by API key.
        record: called with each finished request.
    """

    def __init__(
        self,
        functions: Runner,
        iam: IamAuthorization,
        authorizers: Authorizers,
        quotas: Quotas,
        record: Recorder,
    ) -> None:
        self._functions = functions
        self._iam = iam
        self._authorizers = authorizers
        self._throttle = Throttle()
        self._quotas = quotas
        self._record = record

    def routes(self) -> Sequence[BaseRoute]:
        """All stages of all APIs; moto must see no request that looks like one for them."""
        stages = f"{EXECUTE_API}/{{api_id}}/{{stage}}{{path:path}}"
        return [Route(stages, self._handle, methods=_METHODS), Mount(EXECUTE_API, app=forbidden())]

    async def _handle(self, http_request: Request) -> Response:
        stage = models.find(http_request.path_params["api_id"], http_request.path_params["stage"])
        if stage is None:
            return forbidden()
        try:
            body = await _body(http_request)
        except ClientDisconnect:
            return Response(status_code=499)
        if len(body) > MAX_BODY_BYTES:
            return _too_large()
        request = ApiRequest(
            stage=stage,
            http_method=http_request.method,
            raw_path=_path(http_request, stage),
            query=http_request.scope["query_string"].decode("latin1"),
            headers=http_request.headers,
            body=body,
            source_ip=http_request.client.host if http_request.client else "127.0.0.1",
            target=_target(http_request, stage),
            sent_names=sent_names(http_request.scope),
            base_path=http_request.scope.get(BASE_PATH),
        )
        return Recorded(await self._respond_or_refuse(request), request, self._record)

    async def _respond_or_refuse(self, request: ApiRequest) -> Response:
        try:
            return await self._respond(request)
        except GatewayError as error:
            if error.reason:
                _log.warning("%s %s: %s", request.http_method, request.path, error)
            refusal = error
        except Exception as error:  # noqa: BLE001 a fault of the cloud: logged, hidden from the caller
            _log.exception("%s %s", request.http_method, request.path)
            refusal = misconfigured(str(error))
        request.outcome.error = (refusal.refusal.name, refusal.message)
        return gateway_response(request, refusal)

    async def _respond(self, request: ApiRequest) -> Response:
        match = request.stage.definition.find(request.http_method, request.path)
        if match is None:
            raise GatewayError(Refusal.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
        request.method, request.parameters = match
        self._iam.authorize(request)
        request.identity = await self._authorizers.authorize(request)
        use = authorize_key(request)
        self._throttle.admit(request, use)
        if use is not None:
            self._quotas.count(use)
        return await integration.run(request, self._functions)


def _too_large() -> Response:
    """AWS's response, as in koki-develop/lgtm-generator#10; an API cannot customize it."""
    text = f"HTTP content length exceeded {MAX_BODY_BYTES} bytes."
    return Response(text, 413, {"content-type": "text; charset=utf-8"})


async def _body(request: Request) -> bytes:
    """The body; of one that is too large only the beginning."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            break
    return b"".join(parts)


def _target(request: Request, stage: DeployedStage) -> str:
    """Path and query as the client sent them."""
    base_path = request.scope.get(BASE_PATH)
    raw = _raw_path(request) if base_path is None else f"{base_path}{_path(request, stage)}"
    return f"{raw}?{request.scope['query_string'].decode('latin1')}"


def _path(request: Request, stage: DeployedStage) -> str:
    path = _raw_path(request).removeprefix(f"{EXECUTE_API}/{stage.api_id}/{stage.name}")
    return path or "/"


def _raw_path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("latin1").partition("?")[0]
