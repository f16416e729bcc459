"""Authorizers that are functions: they decide by a token or by the request; their answer holds for a time."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from toolkit.local.apigateway import permissions
from toolkit.local.apigateway.call import Call, Identity
from toolkit.local.apigateway.definition import Authorizer
from toolkit.local.apigateway.errors import GatewayError, Refusal
from toolkit.local.apigateway.events import request_event
from toolkit.local.apigateway.functions import function_of
from toolkit.local.apigateway.policy import decide
from toolkit.local.functions.errors import FunctionError
from toolkit.local.functions.runner import Runner
from toolkit.local.service import ACCOUNT_ID

_TIMEOUT_SECONDS = 30
_MAX_CACHED = 10_000
_CONTEXT_TYPES = (str, int, float, bool)

# Stage, deployment, authorizer, identity.
_Key = tuple[str, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Answer:
    policy: Mapping[str, Any]
    identity: Identity
    expires_at: float


class Authorizers:
    """Asks authorizers, and remembers their answers by deployment and identity as API Gateway does."""

    def __init__(self, functions: Runner) -> None:
        self._functions = functions
        self._cache: dict[_Key, _Answer] = {}

    async def authorize(self, call: Call) -> Identity | None:
        """Who calls, if the method has an authorizer.

        Raises:
            GatewayError: nobody that may.
        """
        authorizer = call.method.authorizer if call.method else None
        if authorizer is None:
            return None
        identity = tuple(_value(call, source) or "" for source in authorizer.identity_sources)
        if not all(identity) or not _is_valid(authorizer, identity):
            raise GatewayError(Refusal.UNAUTHORIZED, "Unauthorized")
        answer = await self._answer(call, authorizer, identity)
        try:
            decision = decide(answer.policy, call.method_arn)
        except ValueError as error:
            raise _broken(str(error)) from error
        if decision != "allow":
            explicit = " with an explicit deny" if decision == "deny" else ""
            message = f"User is not authorized to access this resource{explicit}"
            raise GatewayError(Refusal.ACCESS_DENIED, message)
        return answer.identity

    def flush(self, api_id: str, stage: str) -> None:
        """Forget the answers for a stage."""
        end = f":{api_id}/{stage}"
        self._cache = {key: kept for key, kept in self._cache.items() if not key[0].endswith(end)}

    async def _answer(self, call: Call, authorizer: Authorizer, identity: tuple[str, ...]) -> _Answer:
        key = (call.stage.arn, call.stage.deployment_id, authorizer.name, identity)
        cached = self._cache.get(key)
        if cached is not None and cached.expires_at > time.monotonic():
            return cached
        document = await self._ask(call, authorizer, identity)
        answer = _parse(document, time.monotonic() + authorizer.ttl_seconds)
        # Without an identity nobody could be told from others.
        if identity and authorizer.ttl_seconds > 0:
            self._remember(key, answer)
        return answer

    def _remember(self, key: _Key, answer: _Answer) -> None:
        if len(self._cache) >= _MAX_CACHED:
            now = time.monotonic()
            self._cache = {k: kept for k, kept in self._cache.items() if kept.expires_at > now}
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
        self._cache[key] = answer

    async def _ask(self, call: Call, authorizer: Authorizer, identity: tuple[str, ...]) -> Any:
        function = function_of(authorizer.uri)
        permissions.require(
            function,
            f"arn:aws:execute-api:{call.stage.region}:{ACCOUNT_ID}:{call.stage.api_id}/authorizers/{authorizer.name}",
        )
        if authorizer.kind == "token":
            event = {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": call.method_arn}
        else:
            event = request_event(call)
        answer = self._functions.invoke(function, json.dumps(event).encode())
        try:
            return json.loads(await asyncio.wait_for(answer.read(), _TIMEOUT_SECONDS))
        except FunctionError as error:
            if error.message == "Unauthorized":
                raise GatewayError(Refusal.UNAUTHORIZED, "Unauthorized") from error
            raise _failed(f"{function.name}: {error.error_type}") from error
        except TimeoutError as error:
            answer.cancel()
            raise _failed(f"{function.name} did not answer in {_TIMEOUT_SECONDS} s") from error
        except ValueError as error:
            raise _broken(f"{function.name} answered no JSON") from error


def _is_valid(authorizer: Authorizer, identity: tuple[str, ...]) -> bool:
    pattern = authorizer.validation
    return authorizer.kind != "token" or not pattern or re.fullmatch(pattern, identity[0]) is not None


def _value(call: Call, source: str) -> str | None:
    """What an identity source stands for."""
    kind, _, name = source.removeprefix("method.request.").partition(".")
    match kind:
        case "header":
            return call.headers.get(name)
        case "querystring":
            return QueryParams(call.query).get(name)
        case "stageVariables":
            return call.stage.variables.get(name)
        case "context":
            return call.variable(name)
    raise _broken(f"{source} is no identity source")


def _parse(document: Any, expires_at: float) -> _Answer:
    if not isinstance(document, dict) or not isinstance(document.get("policyDocument"), dict):
        raise _broken("the authorizer's answer has no policyDocument")
    if not document.get("principalId"):
        raise _broken("the authorizer's answer has no principalId")
    context = document.get("context") or {}
    if not isinstance(context, dict) or not all(isinstance(v, _CONTEXT_TYPES) for v in context.values()):
        raise _broken("the authorizer's context holds more than texts, numbers and booleans")
    identity = Identity(str(document["principalId"]), context, document.get("usageIdentifierKey"))
    return _Answer(document["policyDocument"], identity, expires_at)


def _failed(reason: str) -> GatewayError:
    return GatewayError(Refusal.AUTHORIZER_FAILURE, "Internal server error", reason=reason)


def _broken(reason: str) -> GatewayError:
    return GatewayError(Refusal.AUTHORIZER_CONFIGURATION_ERROR, "Internal server error", reason=reason)
