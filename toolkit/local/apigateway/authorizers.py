"""Lambda authorizers, and the cache of their results."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from toolkit.local.apigateway.access import decide, require_permission
from toolkit.local.apigateway.api_request import ApiRequest, Identity
from toolkit.local.apigateway.events import request_event
from toolkit.local.apigateway.exceptions import GatewayError, Refusal
from toolkit.local.apigateway.integration import function_of
from toolkit.local.apigateway.openapi import Authorizer
from toolkit.local.functions.exceptions import FunctionError
from toolkit.local.functions.runtime import Runner
from toolkit.local.service import ACCOUNT_ID

_TIMEOUT_SECONDS = 30
_MAX_CACHED = 10_000
_CONTEXT_TYPES = (str, int, float, bool)

# Stage, deployment, authorizer, identity.
_Key = tuple[str, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Result:
    policy: Mapping[str, Any]
    identity: Identity
    expires_at: float


class Authorizers:
    """Invokes authorizers, and caches results by deployment and identity, as API Gateway does."""

    def __init__(self, functions: Runner) -> None:
        self._functions = functions
        self._cache: dict[_Key, _Result] = {}

    async def authorize(self, request: ApiRequest) -> Identity | None:
        """Identify the caller, if the method has an authorizer.

        Raises:
            GatewayError: the caller is not allowed to call the method.
        """
        authorizer = request.method.authorizer if request.method else None
        if authorizer is None:
            return None
        identity = tuple(_value(request, source) or "" for source in authorizer.identity_sources)
        if not all(identity) or not _is_valid(authorizer, identity):
            raise GatewayError(Refusal.UNAUTHORIZED, "Unauthorized")
        result = await self._result(request, authorizer, identity)
        try:
            decision = decide(result.policy, request.method_arn)
        except ValueError as error:
            raise _broken(str(error)) from error
        if decision != "allow":
            explicit = " with an explicit deny" if decision == "deny" else ""
            message = f"User is not authorized to access this resource{explicit}"
            raise GatewayError(Refusal.ACCESS_DENIED, message)
        return result.identity

    def flush(self, api_id: str, stage: str) -> None:
        """Flush the cache of a stage."""
        end = f":{api_id}/{stage}"
        self._cache = {key: cached for key, cached in self._cache.items() if not key[0].endswith(end)}

    async def _result(
        self, request: ApiRequest, authorizer: Authorizer, identity: tuple[str, ...]
    ) -> _Result:
        key = (request.stage.arn, request.stage.deployment_id, authorizer.name, identity)
        cached = self._cache.get(key)
        if cached is not None and cached.expires_at > time.monotonic():
            return cached
        document = await self._invoke(request, authorizer, identity)
        result = _parse(document, time.monotonic() + authorizer.ttl_seconds)
        # Without an identity, callers would share the result.
        if identity and authorizer.ttl_seconds > 0:
            self._store(key, result)
        return result

    def _store(self, key: _Key, result: _Result) -> None:
        if len(self._cache) >= _MAX_CACHED:
            now = time.monotonic()
            self._cache = {k: entry for k, entry in self._cache.items() if entry.expires_at > now}
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
        self._cache[key] = result

    async def _invoke(self, request: ApiRequest, authorizer: Authorizer, identity: tuple[str, ...]) -> Any:
        function = function_of(authorizer.uri)
        require_permission(
            function,
            f"arn:aws:execute-api:{request.stage.region}:{ACCOUNT_ID}:{request.stage.api_id}/authorizers/{authorizer.name}",
        )
        if authorizer.kind == "token":
            event = {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": request.method_arn}
        else:
            event = request_event(request)
        result = self._functions.invoke(function, json.dumps(event).encode())
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                payload = await result.read()
            return json.loads(payload)
        except FunctionError as error:
            if error.message == "Unauthorized":
                raise GatewayError(Refusal.UNAUTHORIZED, "Unauthorized") from error
            raise _broken(f"{function.name}: {error.error_type}") from error
        except TimeoutError as error:
            result.cancel()
            raise _broken(f"{function.name} timed out after {_TIMEOUT_SECONDS} s") from error
        except ValueError as error:
            raise _broken(f"the result of {function.name} is not JSON") from error


def _is_valid(authorizer: Authorizer, identity: tuple[str, ...]) -> bool:
    pattern = authorizer.validation
    return authorizer.kind != "token" or not pattern or re.fullmatch(pattern, identity[0]) is not None


def _value(request: ApiRequest, source: str) -> str | None:
    """The value of an identity source."""
    kind, _, name = source.removeprefix("method.request.").partition(".")
    match kind:
        case "header":
            # The last, as in the event: no other one may choose the cached result.
            return next(reversed(request.headers.getlist(name)), None)
        case "querystring":
            return QueryParams(request.query).get(name)
        case "stageVariables":
            return request.stage.variables.get(name)
        case "context":
            return request.variable(name)
    raise _broken(f"invalid identity source {source}")


def _parse(document: Any, expires_at: float) -> _Result:
    if not isinstance(document, dict) or not isinstance(document.get("policyDocument"), dict):
        raise _broken("the authorizer's result has no policyDocument")
    if not document.get("principalId"):
        raise _broken("the authorizer's result has no principalId")
    context = document.get("context") or {}
    if not isinstance(context, dict) or not all(isinstance(v, _CONTEXT_TYPES) for v in context.values()):
        raise _broken("the authorizer's context has values other than strings, numbers and booleans")
    identity = Identity(str(document["principalId"]), context, document.get("usageIdentifierKey"))
    return _Result(document["policyDocument"], identity, expires_at)


def _broken(reason: str) -> GatewayError:
    """The authorizer failed or its result is malformed; the message is null: stackoverflow.com/q/47921803."""
    return GatewayError(Refusal.AUTHORIZER_CONFIGURATION_ERROR, None, reason=reason)
