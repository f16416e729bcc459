"""Lambda's Invoke APIs over HTTP, and the settings of the account."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from toolkit.local import eventstream
from toolkit.local.awsapi import ApiError, SignedRoute
from toolkit.local.functions.asynchronous import AsyncInvocations
from toolkit.local.functions.exceptions import FunctionError, FunctionNotFoundError, RefusedError
from toolkit.local.functions.invocation import MAX_EVENT_BYTES, MAX_RESPONSE_BYTES, ResponseStream
from toolkit.local.functions.models import Function, find, names, unreserved
from toolkit.local.functions.runtime import Runner
from toolkit.local.quotas.models import concurrency
from toolkit.local.signature import Signature

_CHUNK = eventstream.Event.blob("PayloadChunk")
_COMPLETE = eventstream.Event(
    {":event-type": "InvokeComplete", ":content-type": "application/json", ":message-type": "event"}
)


class InvokeApi:
    """Invoke and InvokeWithResponseStream.

    Args:
        runner: runs the functions.
        queue: runs asynchronous invocations.
    """

    def __init__(self, runner: Runner, queue: AsyncInvocations) -> None:
        self._runner = runner
        self._queue = queue

    def routes(self) -> Sequence[BaseRoute]:
        """All operations."""
        streamed = "/2021-11-15/functions/{name}/response-streaming-invocations"
        return [
            SignedRoute("lambda", "/2015-03-31/functions/{name}/invocations", self._invoke, methods=["POST"]),
            SignedRoute("lambda", streamed, self._invoke_streamed, methods=["POST"]),
            SignedRoute("lambda", "/2016-08-19/account-settings", _account_settings, methods=["GET"]),
        ]

    async def _invoke(self, request: Request) -> Response:
        target, event = await _target_and_event(request)
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        headers = {"x-amz-executed-version": target.version}
        if kind == "DryRun":
            return Response(status_code=204, headers=headers)
        if kind == "Event":
            headers["x-amzn-requestid"] = self._queue.put(target, event, _client_context(request))
            return Response(status_code=202, headers=headers)
        stream = self._runner.invoke(target, event, _client_context(request))
        try:
            payload = _checked(await stream.read())
        except RefusedError as error:
            raise _refusal(error) from error
        except FunctionError as error:
            headers["x-amz-function-error"] = "Unhandled"
            payload = error.payload
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["x-amz-log-result"] = stream.log_tail
        headers["x-amzn-requestid"] = stream.request_id
        return Response(payload, media_type="application/json", headers=headers)

    async def _invoke_streamed(self, request: Request) -> Response:
        target, event = await _target_and_event(request)
        stream = self._runner.invoke(target, event, _client_context(request))
        try:
            await stream.begin()
        except RefusedError as error:
            raise _refusal(error) from error
        except FunctionError:
            # The stream's last event reports it.
            stream.content_type = "application/octet-stream"
        return StreamingResponse(
            _frames(stream, tail=request.headers.get("x-amz-log-type") == "Tail"),
            media_type=stream.content_type,
            headers={"x-amz-executed-version": target.version, "x-amzn-requestid": stream.request_id},
            background=BackgroundTask(stream.cancel),
        )


async def _account_settings(request: Request) -> Response:
    """GetAccountSettings."""
    region = Signature.of(request.scope).region
    limits = {
        "ConcurrentExecutions": concurrency(region),
        "UnreservedConcurrentExecutions": unreserved(region),
    }
    usage = {"FunctionCount": sum(of_function == region for of_function, _, _ in names())}
    return JSONResponse({"AccountLimit": limits, "AccountUsage": usage})


async def _target_and_event(request: Request) -> tuple[Function, bytes]:
    """The invoked function and its event."""
    event = await request.body()
    if len(event) > MAX_EVENT_BYTES:
        message = f"Request must be smaller than {MAX_EVENT_BYTES} bytes for the InvokeFunction operation"
        # As in zaccharles.medium.com/deep-dive-lambdas-request-payload-size-limit-2-2-6350c1ae5577.
        raise ApiError("RequestEntityTooLargeException", message, status=413, Type="User")
    try:
        json.loads(event or b"{}")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ApiError("InvalidRequestContentException", message, Type="User") from error
    region = Signature.of(request.scope).region
    try:
        target = find(region, request.path_params["name"], request.query_params.get("Qualifier"))
    except FunctionNotFoundError as error:
        raise ApiError("ResourceNotFoundException", str(error), status=404, Type="User") from error
    return target, event or b"{}"


def _refusal(error: RefusedError) -> ApiError:
    return ApiError(error.error_type, error.message, status=error.status, Type="User", **error.members)


def _client_context(request: Request) -> str | None:
    encoded = request.headers.get("x-amz-client-context")
    return base64.b64decode(encoded).decode() if encoded else None


def _checked(payload: bytes) -> bytes:
    if len(payload) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        raise FunctionError("Function.ResponseSizeTooLarge", message)
    return payload


async def _frames(stream: ResponseStream, *, tail: bool) -> AsyncIterator[bytes]:
    complete: dict[str, str] = {}
    try:
        async for part in stream.parts():
            yield _CHUNK.encode(part)
    except FunctionError as error:
        complete = {"ErrorCode": error.error_type, "ErrorDetails": error.payload.decode(errors="replace")}
    if tail:
        complete["LogResult"] = stream.log_tail
    yield _COMPLETE.encode(json.dumps(complete).encode())
