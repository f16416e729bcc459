"""Custom domain names: a request with `Host: llm.example.com` reaches the API that this domain maps to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import APIGatewayBackend, BasePathMapping, DomainName, apigateway_backends
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from toolkit.local.apigateway.gateway_responses import forbidden
from toolkit.local.awsapi import BASE_PATH, EXECUTE_API
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.service_roles import API_GATEWAY

_NO_BASE_PATH = "(none)"


class CustomDomainMiddleware:
    """ASGI middleware that rewrites requests for a custom domain to the API behind it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mappings = _mappings(scope) if scope["type"] == "http" else None
        if mappings is None:
            await self._app(scope, receive, send)
            return
        rewritten = _rewritten(scope, mappings)
        await (self._app if rewritten is not None else forbidden())(rewritten or scope, receive, send)


def _mappings(scope: Scope) -> dict[str, BasePathMapping] | None:
    """The mappings of the request's domain by base path; None if it is not a custom domain."""
    host = urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname
    for backend in list(apigateway_backends[ACCOUNT_ID].values()):
        if host in backend.domain_names:
            return backend.base_path_mappings[host]
    return None


def _rewritten(scope: Scope, mappings: dict[str, BasePathMapping]) -> Scope | None:
    """The request to the API; None if no mapping matches the path."""
    first = scope["path"].split("/")[1]
    base_path = f"/{first}" if first in mappings else ""
    mapping = mappings.get(first if base_path else _NO_BASE_PATH)
    if mapping is None:
        return None
    api = f"{EXECUTE_API}/{mapping.rest_api_id}/{mapping.stage}"
    raw = scope["raw_path"].removeprefix(base_path.encode())
    return {
        **scope,
        "path": api + scope["path"].removeprefix(base_path),
        "raw_path": api.encode() + raw,
        BASE_PATH: base_path,
    }


def extend() -> None:
    """Extend moto in this process: a domain can exist once, and begins without mappings."""
    create_domain_name = APIGatewayBackend.create_domain_name

    def create_once(self: APIGatewayBackend, domain_name: str, *args: Any, **kwargs: Any) -> DomainName:
        if domain_name in self.domain_names:
            raise BadRequestException("The domain name you provided already exists.")
        self.base_path_mappings[domain_name] = {}
        API_GATEWAY.create()
        return create_domain_name(self, domain_name, *args, **kwargs)

    APIGatewayBackend.create_domain_name = create_once  # type: ignore[method-assign]
