"""InvokeEndpoint and InvokeEndpointWithResponseStream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toolkit.local import eventstream, upstream
from toolkit.local.awsapi import ApiError, Signature
from toolkit.local.sagemaker.asynchronous.models import settings_of
from toolkit.local.sagemaker.deployment import Choice
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.invocation import CUSTOM_ATTRIBUTES, Call
from toolkit.local.sagemaker.responses import Endpoints
from toolkit.local.service import ACCOUNT_ID

MAX_BODY_BYTES = 6 * 1024 * 1024

_PART = eventstream.Event.blob("PayloadPart")
_PASSED_ON = (
    "content-type",
    CUSTOM_ATTRIBUTES,
    "x-amzn-sagemaker-inference-id",
    "x-amzn-sagemaker-session-id",
    "x-amzn-trace-id",
)

T = TypeVar("T")

# Chooses where a request goes. The call must then be made at once, for its instance to know of it: an update
# stops those that have no requests.
Route = Callable[[], Call]


class Runtime:
    """Invocations of endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._shadows = Shadows()

    async def invoke(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations`: the container's answer as a whole."""
        route = await self._prepare(request, accept=request.headers.get("accept", "*/*"))

        async def answer() -> Response:
            whole = await route().read()
            return Response(whole.body, headers=whole.headers)

        return await _unless_gone(request, answer())

    async def invoke_with_response_stream(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations-response-stream`: each part of the answer as it comes."""
        accept = request.headers.get("x-amzn-sagemaker-accept", "*/*")
        return _Stream(await self._prepare(request, accept=accept))

    async def stop(self) -> None:
        """End the requests that no client waits for."""
        await self._shadows.stop()

    async def _prepare(self, request: Request, accept: str) -> Route:
        """Read a request; what is returned chooses where it goes."""
        region = Signature.of(request.headers).region
        name = request.path_params["name"]
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        self._choose(region, name, target)
        body = await _read_body(request)
        headers = [(key, request.headers[key]) for key in _PASSED_ON if key in request.headers]
        log_group = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:/aws/sagemaker/Endpoints/{name}"

        def call(variant: Variant) -> Call:
            return Call(variant, [*headers, ("accept", accept)], body, log_group)

        def route() -> Call:
            fleet, variant = self._choose(region, name, target)
            for shadow in fleet.sample_shadows():
                self._shadows.send(call(shadow))
            return call(variant)

        return route

    def _choose(self, region: str, name: str, target: str | None) -> Choice:
        endpoint = self._endpoints.find(region, name)
        if endpoint is None or not endpoint.traffic.shares:
            raise ApiError("ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        if settings_of(endpoint) is not None:
            message = f"Endpoint {name} of account {ACCOUNT_ID} is asynchronous: use InvokeEndpointAsync."
            raise ApiError("ValidationError", message)
        choice = endpoint.traffic.choose(target)
        if choice is None:
            raise ApiError("ValidationError", f"Variant {target} not found for Endpoint {name}.")
        return choice


class _Stream(Response):
    """An answer as an event stream; what fails before its first part is an ordinary error."""

    def __init__(self, route: Route) -> None:
        super().__init__()
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A caller that goes away ends the work; the request was read whole, so that nothing else comes.
        with contextlib.suppress(ClientDisconnect):
            await _unless_gone(Request(scope, receive), self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = self._route()
            async with call.open() as answer:
                headers = call.headers_of(answer, "x-amzn-sagemaker-content-type")
                headers["content-type"] = eventstream.MEDIA_TYPE
                encoded = [(name.encode(), value.encode("latin1")) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": 200, "headers": encoded})
                async for frame in frames(answer, call.stream_seconds):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        await send({"type": "http.response.body", "body": b""})


async def frames(answer: upstream.Answer, seconds: float) -> AsyncIterator[bytes]:
    """A container's answer, in so many seconds, as frames of an event stream; the last may be an error."""
    try:
        async with asyncio.timeout(seconds):
            async for part in answer.parts:
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
            message = "Value at 'body' failed to satisfy constraint: Member must have length less than or "
            message += f"equal to {MAX_BODY_BYTES}"
            raise ApiError("ValidationError", f"1 validation error detected: {message}", status=413)
    return bytes(body)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller closes its connection.

    Raises:
        ClientDisconnect: the caller did.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_wait_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait({task, gone})


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


_log = logging.getLogger(__name__)

# A shadow that is slower than what it shadows must not fill memory with requests that wait for it.
MAX_PENDING = 100


class Shadows:
    """Copies in progress."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Task[None]] = set()

    def send(self, call: Call) -> None:
        """Send a copy, unless too many have no answer yet."""
        if len(self._pending) < MAX_PENDING:
            task = asyncio.create_task(_send(call))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def stop(self) -> None:
        """Forget all copies."""
        for task in list(self._pending):
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


async def _send(call: Call) -> None:
    try:
        await call.read()
    except ApiError as error:
        # Published as a metric of the shadow variant, and in its container's log.
        _log.debug("a copy for a shadow variant: %s", error)
