"""InvokeEndpoint, InvokeEndpointWithResponseStream, and copies of requests for shadow variants."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toolkit.local import eventstream, upstream
from toolkit.local.awsapi import ApiError
from toolkit.local.disconnects import until_disconnect
from toolkit.local.sagemaker.asynchronous.models import settings_of
from toolkit.local.sagemaker.deployment import Destination
from toolkit.local.sagemaker.exceptions import body_too_large
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.invocation import CUSTOM_ATTRIBUTES, Invocation
from toolkit.local.sagemaker.responses import Endpoints
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import Signature

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 6 * 1024 * 1024

_PART = eventstream.Event.blob("PayloadPart")
_FORWARDED = (
    "content-type",
    CUSTOM_ATTRIBUTES,
    "x-amzn-sagemaker-inference-id",
    "x-amzn-sagemaker-session-id",
    "x-amzn-trace-id",
)

# Routes a request to a variant. The invocation must start at once, because an update stops idle instances.
Router = Callable[[], Invocation]


class Runtime:
    """Invocations of endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._shadows = ShadowRequests()

    async def invoke(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations`: the container's whole response."""
        router = await self._prepare(request, accept=request.headers.get("accept", "*/*"))
        async with until_disconnect(request.receive):
            response = await router().read()
        return Response(response.body, headers=response.headers)

    async def invoke_with_response_stream(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations-response-stream`: each part of the response as it arrives."""
        accept = request.headers.get("x-amzn-sagemaker-accept", "*/*")
        return _Stream(await self._prepare(request, accept=accept))

    async def stop(self) -> None:
        """Cancel the requests to shadow variants."""
        await self._shadows.stop()

    async def _prepare(self, request: Request, accept: str) -> Router:
        """Read a request and return its router."""
        region = Signature.of(request.scope).region
        name = request.path_params["name"]
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        self._choose(region, name, target)
        body = await _read_body(request)
        headers = [(key, request.headers[key]) for key in _FORWARDED if key in request.headers]
        log_group = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:/aws/sagemaker/Endpoints/{name}"

        def invocation(variant: Variant) -> Invocation:
            return Invocation(variant, [*headers, ("accept", accept)], body, log_group)

        def route() -> Invocation:
            fleet, variant = self._choose(region, name, target)
            for shadow in fleet.sample_shadows():
                self._shadows.send(invocation(shadow))
            return invocation(variant)

        return route

    def _choose(self, region: str, name: str, target: str | None) -> Destination:
        endpoint = self._endpoints.find(region, name)
        if endpoint is None or not endpoint.traffic.shares:
            raise ApiError("ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        if settings_of(endpoint) is not None:
            message = f"Endpoint {name} of account {ACCOUNT_ID} is asynchronous: use InvokeEndpointAsync."
            raise ApiError("ValidationError", message)
        destination = endpoint.traffic.choose(target)
        if destination is None:
            raise ApiError("ValidationError", f"Variant {target} not found for Endpoint {name}.")
        return destination


class _Stream(Response):
    """A response as an event stream; a failure before its first part is an ordinary error response."""

    def __init__(self, router: Router) -> None:
        super().__init__()
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnect):
            async with until_disconnect(receive):
                await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            invocation = self._router()
            async with invocation.open() as response:
                headers = invocation.headers_of(response, "x-amzn-sagemaker-content-type")
                headers["content-type"] = eventstream.MEDIA_TYPE
                encoded = [(name.encode(), value.encode("latin1")) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": 200, "headers": encoded})
                async for frame in frames(response, invocation.stream_seconds):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        await send({"type": "http.response.body", "body": b""})


async def frames(response: upstream.Response, seconds: float) -> AsyncIterator[bytes]:
    """A container's response as frames of an event stream; the last one is an error after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            async for part in response.parts:
                yield _PART.encode(part)
    except TimeoutError:
        message = "The model did not finish sending the response in time."
        yield eventstream.exception(
            "ModelStreamError", Message=message, ErrorCode="ModelInvocationTimeExceeded"
        )
    except upstream.UpstreamError as error:
        yield eventstream.exception("ModelStreamError", Message=str(error), ErrorCode="StreamBroken")


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large(MAX_BODY_BYTES)
    return bytes(body)


# A slow shadow variant must not fill memory with pending requests.
MAX_PENDING = 100


class ShadowRequests:
    """The copies in progress. Clients see neither their responses nor their errors."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Task[None]] = set()

    def send(self, invocation: Invocation) -> None:
        """Send a copy, unless too many are pending."""
        if len(self._pending) < MAX_PENDING:
            task = asyncio.create_task(_send(invocation))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def stop(self) -> None:
        """Cancel all copies."""
        for task in list(self._pending):
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


async def _send(invocation: Invocation) -> None:
    try:
        await invocation.read()
    except ApiError as error:
        # The shadow variant's metrics and its container's log show the error, too.
        _log.debug("a copy for a shadow variant: %s", error)
