"""Lambda proxy integrations, buffered and streamed, and mock integrations."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toolkit.local.apigateway.access import require_permission
from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.events import is_binary, proxy_event
from toolkit.local.apigateway.exceptions import GatewayError, Refusal, failed, misconfigured
from toolkit.local.apigateway.openapi import Integration, Method
from toolkit.local.disconnects import until_disconnect
from toolkit.local.functions import models as functions_models
from toolkit.local.functions.exceptions import TIMED_OUT, FunctionError, FunctionNotFoundError, RefusedError
from toolkit.local.functions.invocation import MAX_EVENT_BYTES, ResponseStream
from toolkit.local.functions.models import Function
from toolkit.local.functions.runtime import Runner

_log = logging.getLogger(__name__)

_PRELUDE_END: Final = b"\0" * 8
_MAX_PRELUDE_BYTES: Final = 16 * 1024
# AWS's limits for the duration and the idle time of a stream (regional APIs).
_STREAM_SECONDS: Final = 900
_STREAM_IDLE_SECONDS: Final = 300
# Headers that a function cannot set.
_OWN_HEADERS: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"}
)


async def run(request: ApiRequest, functions: Runner) -> Response:
    """Run the integration of a request.

    Raises:
        GatewayError: the integration is misconfigured, or the function failed.
    """
    method = request.method
    integration = method.integration if method else None
    if method is not None and integration is not None and integration.kind == "mock":
        return _mock_response(request, integration)
    if method is None or integration is None or integration.kind != "aws_proxy":
        raise misconfigured(
            f"{request.http_method} {request.path}: only aws_proxy and mock integrations are supported"
        )
    if integration.http_method != "POST":
        raise misconfigured(
            f"{request.http_method} {request.path}: the httpMethod of Lambda integrations is POST"
        )
    function = function_of(integration.uri, streamed=integration.streams)
    require_permission(function, _source_arn(request, method))
    event = proxy_event(request, method)
    if len(event) > MAX_EVENT_BYTES:
        raise GatewayError(Refusal.REQUEST_TOO_LARGE, "Request Too Long", reason="Lambda takes 6 MB")
    started = time.monotonic()
    stream = functions.invoke(function, event, trace_id=request.trace_id)
    try:
        if integration.streams:
            return await _streamed(request, stream, integration)
        return await _buffered(request, stream, integration)
    except RefusedError as error:
        # On AWS, rejections by Lambda's API are a 500, errors of the function a 502.
        raise misconfigured(f"{function.name}: {error.error_type}: {error.message}") from error
    except FunctionError as error:
        if error.error_type == TIMED_OUT:
            raise _timed_out(function.name) from error
        raise failed(f"{function.name}: {error.error_type}: {error.message}") from error
    except TimeoutError as error:
        stream.cancel()
        raise _timed_out(function.name) from error
    finally:
        request.outcome.integration_seconds = time.monotonic() - started


def _timed_out(function: str) -> GatewayError:
    return GatewayError(Refusal.INTEGRATION_TIMEOUT, "Endpoint request timed out", reason=function)


def _source_arn(request: ApiRequest, method: Method) -> str:
    path = re.sub(r"\{[^}]+\}", "*", method.resource)
    return f"{request.stage.arn}/{method.http_method.replace('ANY', '*')}{path}"


def _headers(request: ApiRequest, document: dict[str, Any]) -> MutableHeaders:
    """The headers of a response: those with several values first, whose names win.

    Raises:
        GatewayError: the headers are malformed.
    """
    single, multiple = document.get("headers") or {}, document.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        raise failed("the headers in the function's response are not an object")
    headers = MutableHeaders()
    for name, values in multiple.items():
        if not isinstance(values, list):
            raise failed(f"the value of {name} in multiValueHeaders is not a list")
        for value in values:
            headers.append(name, _header(name, value))
    for name, value in single.items():
        # A streamed response has lists here.
        for item in value if isinstance(value, list) else [value]:
            headers.append(name, _header(name, item))
    for cookie in document.get("cookies") or []:
        headers.append("set-cookie", cookie)
    for name in _OWN_HEADERS & set(headers.keys()):
        del headers[name]
    headers.setdefault("content-type", "application/json")
    headers["x-amzn-requestid"] = request.request_id
    headers["x-amz-apigw-id"] = request.extended_request_id
    headers["x-amzn-trace-id"] = request.trace_id
    return headers


def _header(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise failed(f"the value of the header {name} in the function's response is not a string")
    return str(value)


def _status(document: dict[str, Any]) -> int:
    status = document.get("statusCode") or 200
    try:
        number = int(status)
    except (TypeError, ValueError) as error:
        raise failed(f"invalid statusCode {status!r} in the function's response") from error
    if not 100 <= number <= 599:
        raise failed(f"invalid statusCode {number} in the function's response")
    return number


# No member is required, and no other is allowed.
_MEMBERS: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})


async def _buffered(request: ApiRequest, stream: ResponseStream, integration: Integration) -> Response:
    async with asyncio.timeout(integration.timeout_seconds):
        payload = await stream.read()
    try:
        document = json.loads(payload)
    except ValueError:
        document = None
    if (
        not isinstance(document, dict)
        or not _MEMBERS.issuperset(document)
        or not isinstance(document.get("body"), str | None)
    ):
        raise failed("the function's response is not a proxy response")
    status, headers = _status(document), _headers(request, document)
    text = document.get("body") or ""
    accepted = request.headers.get("accept", "").partition(",")[0]
    if document.get("isBase64Encoded") and is_binary(request, accepted):
        return _response(base64.b64decode(text), status, headers)
    return _response(text.encode(), status, headers)


def _response(body: bytes, status: int, headers: MutableHeaders) -> Response:
    response = Response(body, status)
    response.raw_headers += headers.raw
    return response


async def _streamed(request: ApiRequest, stream: ResponseStream, integration: Integration) -> Response:
    parts = stream.parts()
    deadline = asyncio.get_running_loop().time() + _STREAM_SECONDS
    async with asyncio.timeout(integration.timeout_seconds):
        prelude, rest = await _prelude(parts)
    response = _FunctionStream(stream, _body(rest, parts, deadline))
    response.status_code = _status(prelude)
    response.raw_headers = _headers(request, prelude).raw
    return response


class _FunctionStream(Response):
    """A function's response as it arrives: after the status, a failure can only cut the connection."""

    def __init__(self, stream: ResponseStream, body: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            async with until_disconnect(receive):
                await send(start)
                async for part in self._body:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (FunctionError, TimeoutError) as error:
            _log.warning("the stream of a function was cut: %s", error or "it took too long")
        finally:
            self._stream.cancel()


async def _prelude(parts: AsyncIterator[bytes]) -> tuple[dict[str, Any], bytes]:
    data = b""
    async for part in parts:
        data += part
        head, end, rest = data.partition(_PRELUDE_END)
        if end:
            try:
                document = json.loads(head)
            except ValueError:
                document = None
            if not isinstance(document, dict):
                raise failed("the prelude of the function's streamed response is not a JSON object")
            return document, rest
        if len(data) > _MAX_PRELUDE_BYTES:
            break
    raise failed("the function's streamed response does not begin with status and headers")


async def _body(rest: bytes, parts: AsyncIterator[bytes], deadline: float) -> AsyncIterator[bytes]:
    if rest:
        yield rest
    while True:
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout(min(_STREAM_IDLE_SECONDS, deadline - now)):
            part = await anext(parts, None)
        if part is None:
            return
        yield part


_RESPONSE_HEADER = "method.response.header."
_JSON = "application/json"
# Templates in VTL are not evaluated, and need not be valid JSON.
_STATUS = re.compile(r"[\"']?statusCode[\"']?\s*:\s*[\"']?(\d{3})")


def _mock_response(request: ApiRequest, integration: Integration) -> Response:
    """The response of a mock integration.

    Raises:
        GatewayError: its request template has no status, or no response matches it.
    """
    template = integration.request_templates.get(_JSON, "")
    status = _STATUS.search(template)
    if status is None:
        raise misconfigured(
            f"{request.http_method} {request.path}: a mock's request template needs a statusCode"
        )
    responses = integration.responses
    chosen = next(
        (r for pattern, r in responses.items() if pattern != "default" and re.fullmatch(pattern, status[1])),
        responses.get("default"),
    )
    if chosen is None:
        raise misconfigured(f"{request.http_method} {request.path}: no mock response for status {status[1]}")
    headers = {"x-amzn-requestid": request.request_id, "x-amz-apigw-id": request.extended_request_id}
    for target, source in (chosen.get("responseParameters") or {}).items():
        if target.startswith(_RESPONSE_HEADER) and source.startswith("'"):
            headers[target.removeprefix(_RESPONSE_HEADER).lower()] = source.strip("'")
    body = (chosen.get("responseTemplates") or {}).get(_JSON) or ""
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(text, int(chosen.get("statusCode", status[1])), headers, _JSON)


_URI = re.compile(
    r"arn:aws[\w-]*:apigateway:[\w-]+:lambda:path/"
    r"(?:2015-03-31/functions/(?P<whole>[^/]+)/invocations"
    r"|2021-11-15/functions/(?P<streamed>[^/]+)/response-streaming-invocations)"
)


def function_of(uri: str, *, streamed: bool = False) -> Function:
    """Find the function of an integration or authorizer.

    Args:
        streamed: whether the URI must be one for response streaming.

    Raises:
        GatewayError: the URI is of another kind, or the function does not exist.
    """
    match = _URI.fullmatch(uri)
    arn = match["streamed" if streamed else "whole"] if match else None
    if arn is None:
        raise misconfigured(
            f"{uri} is not a URI for {'streamed' if streamed else 'buffered'} responses of a function"
        )
    try:
        return functions_models.find_arn(arn)
    except FunctionNotFoundError as error:
        raise misconfigured(str(error)) from error
