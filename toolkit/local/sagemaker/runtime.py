"""InvokeEndpoint and InvokeEndpointWithResponseStream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toolkit.local import eventstream, upstream
from toolkit.local.awsapi import ApiError, Signature
from toolkit.local.sagemaker.endpoints import Endpoints
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.service import ACCOUNT_ID

MAX_BODY_BYTES = 6 * 1024 * 1024
# A container has so long for its whole answer, or for the first part of a streamed one …
RESPONSE_SECONDS = 60.0
# … and so long for the last.
STREAM_SECONDS = 480.0

_PART = eventstream.Event.blob("PayloadPart")
_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_PASSED_ON = (
    "content-type",
    _CUSTOM_ATTRIBUTES,
    "x-amzn-sagemaker-inference-id",
    "x-amzn-sagemaker-session-id",
    "x-amzn-trace-id",
)

T = TypeVar("T")


class Runtime:
    """Invocations of endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def invoke(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations`: the container's answer as a whole."""
        call = await self._prepare(request, accept=request.headers.get("accept", "*/*"))
        answer = await _unless_gone(request, call.read())
        return Response(answer.body, headers=answer.headers)

    async def invoke_with_response_stream(self, request: Request) -> Response:
        """`POST /endpoints/{name}/invocations-response-stream`: each part of the answer as it comes."""
        call = await self._prepare(request, accept=request.headers.get("x-amzn-sagemaker-accept", "*/*"))
        return _Stream(call)

    async def _prepare(self, request: Request, accept: str) -> Call:
        region = Signature.of(request.headers).region
        name = request.path_params["name"]
        endpoint = self._endpoints.find(region, name)
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        variant = endpoint.traffic.choose(target) if endpoint is not None else None
        if endpoint is None or not endpoint.traffic.shares:
            raise ApiError("ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        if variant is None:
            raise ApiError("ValidationError", f"Variant {target} not found for Endpoint {name}.")
        body = await _read_body(request)
        headers = [(key, request.headers[key]) for key in _PASSED_ON if key in request.headers]
        log_group = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:/aws/sagemaker/Endpoints/{name}"
        return Call(variant, [*headers, ("accept", accept)], body, log_group)


class _Whole:
    """A complete answer."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = headers


class Call:
    """One invocation of one variant.

    Args:
        variant: chosen for it.
        headers: for the container.
        body: for the container.
        log_group: ARN of the endpoint's, for errors.
    """

    def __init__(self, variant: Variant, headers: list[upstream.Header], body: bytes, log_group: str) -> None:
        self._variant = variant
        self._headers = headers
        self._body = body
        self._log_group = log_group

    async def read(self) -> _Whole:
        """The whole answer.

        Raises:
            ApiError: the container does not serve, refused, failed, or took too long.
        """
        try:
            async with asyncio.timeout(RESPONSE_SECONDS), self.open() as answer:
                body = await answer.read()
        except TimeoutError as error:
            raise self._timed_out() from error
        except upstream.UpstreamError as error:
            raise self._error(0, f"{error}") from error
        return _Whole(body, self.headers_of(answer, "content-type"))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[upstream.Answer]:
        """The beginning of the container's answer, which is a success.

        Raises:
            ApiError: as for `read`.
        """
        instance = self._instance()
        with instance.serving():
            async with contextlib.AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout(RESPONSE_SECONDS):
                        answer = await stack.enter_async_context(
                            upstream.request(
                                instance.port, "POST", "/invocations", headers=self._headers, body=self._body
                            )
                        )
                        refusal = None if answer.status < 300 else await answer.read()
                except TimeoutError as error:
                    raise self._timed_out() from error
                except OSError as error:
                    raise self._error(0, f"{error}", instance) from error
                if refusal is not None:
                    raise self._error(answer.status, refusal.decode("utf-8", "replace"), instance)
                yield answer

    def headers_of(self, answer: upstream.Answer, content_type: str) -> dict[str, str]:
        """The headers of the answer; `content_type` names the one for the container's content type."""
        headers = {
            content_type: answer.header("content-type", "application/octet-stream"),
            "x-amzn-invoked-production-variant": self._variant.name,
        }
        attributes = answer.header(_CUSTOM_ATTRIBUTES)
        return {**headers, _CUSTOM_ATTRIBUTES: attributes} if attributes else headers

    def _instance(self) -> Instance:
        ready = [instance for instance in self._variant.instances if instance.ready]
        if not ready:
            message = "The request has failed due to a temporary failure of the server."
            raise ApiError("ServiceUnavailable", message, status=503)
        return min(ready, key=lambda instance: instance.in_flight)

    def _timed_out(self) -> ApiError:
        return self._error(
            0,
            "Your invocation timed out while waiting for a response from container primary. Review the "
            "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
        )

    def _error(self, status: int, message: str, instance: Instance | None = None) -> ApiError:
        side = "client" if 400 <= status < 500 else "server"
        stream = f":log-stream:{instance.log_stream}" if instance else ""
        return ApiError(
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{message}". '
            f"See the log group {self._log_group.partition('log-group:')[2]} for more information.",
            status=424,
            OriginalStatusCode=status,
            OriginalMessage=message,
            LogStreamArn=self._log_group + stream,
        )


class _Stream(Response):
    """An answer as an event stream; what fails before its first part is an ordinary error."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A caller that goes away ends the work; the request was read whole, so that nothing else comes.
        with contextlib.suppress(ClientDisconnect):
            await _unless_gone(Request(scope, receive), self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._call.open() as answer:
                headers = self._call.headers_of(answer, "x-amzn-sagemaker-content-type")
                headers["content-type"] = eventstream.MEDIA_TYPE
                encoded = [(name.encode(), value.encode("latin1")) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": 200, "headers": encoded})
                async for frame in frames(answer):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        await send({"type": "http.response.body", "body": b""})


async def frames(answer: upstream.Answer) -> AsyncIterator[bytes]:
    """A container's answer as frames of an event stream; the last one may be an error."""
    try:
        async with asyncio.timeout(STREAM_SECONDS):
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
