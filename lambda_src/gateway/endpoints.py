"""SageMaker's runtime: one call, whose response is read as it arrives.

Without botocore's client, which takes more processor time than all the rest of the gateway (ADR 26).
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from gateway.aws_service import AwsService
from gateway.engine_errors import engine_response_error
from gateway.errors import (
    ApiError,
    InternalError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitError,
    RequestTooLargeError,
)
from gateway.eventstream import Decoder, EventStreamError
from gateway.http_client import ConnectError, HttpError, Response, SilenceError
from gateway.signing import CredentialsError

_MAX_ERROR_BYTES: Final = 1024 * 1024
_MAX_TEXT_BYTES: Final = 1000
_INFERENCE_ID_CHARACTERS: Final = 64
# Line breaks would end a header.
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]+")
# SageMaker's error codes; services differ in whether names end in Exception.
_THROTTLED: Final = ("ThrottlingException", "Throttling", "TooManyRequestsException")
_INVALID: Final = ("ValidationError", "ValidationException")
_TIMED_OUT: Final = re.compile(r"timed out|timeout|in time\b")
_STREAM_BROKEN: Final = ("ModelStreamError", "InternalStreamFailure")
_UNAVAILABLE: Final = (
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "InternalDependencyException",
    "InternalFailure",
)


@dataclass(frozen=True)
class Call:
    """One invocation of an endpoint.

    Attributes:
        endpoint: its name.
        body: JSON.
        streamed: whether the endpoint can stream its response.
        request_id: SageMaker stores it with captured data, as the inference id.
        trace: X-Ray's `X-Amzn-Trace-Id` of the request, if it has one.
    """

    endpoint: str
    body: bytes
    streamed: bool
    request_id: str
    trace: str | None = None


class Endpoints:
    """Client for the account's endpoints.

    Args:
        environ: environment variables, which configure it as they configure botocore.

    Raises:
        SettingsError: one of them is missing or invalid.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._service = AwsService(environ, "runtime.sagemaker", "sagemaker", "SAGEMAKER_RUNTIME")

    async def invoke(self, call: Call) -> Invocation:
        """Invoke an endpoint; returns before its response begins.

        Raises:
            ApiError: SageMaker cannot be called.
        """
        try:
            return Invocation(await self._send(call), streamed=call.streamed)
        except (HttpError, CredentialsError, ssl.SSLError) as error:
            raise _connection_error(error) from error

    async def _send(self, call: Call) -> Response:
        operation = "invocations-response-stream" if call.streamed else "invocations"
        headers = {
            "content-type": "application/json",
            "x-amzn-sagemaker-inference-id": _printable(call.request_id)[:_INFERENCE_ID_CHARACTERS],
        }
        unsigned = {"x-amzn-trace-id": _printable(call.trace)} if call.trace else {}
        return await self._service.post(
            f"/endpoints/{call.endpoint}/{operation}", headers, call.body, unsigned
        )


class Invocation:
    """The bytes of one response.

    Args:
        response: SageMaker's.
        streamed: whether it is an event stream.
    """

    def __init__(self, response: Response, *, streamed: bool) -> None:
        self._response = response
        self._decoder = Decoder() if streamed else None
        self._error: ApiError | None = None

    async def read(self, seconds: float = inf) -> bytes | None:
        """The bytes that have arrived; empty at the end, None if none arrive in time.

        Raises:
            ApiError: the endpoint does not exist, is not in service, is overloaded, or rejected the request;
                or the model or the connection failed.
        """
        try:
            return await self._read(seconds)
        except HttpError as error:
            raise _connection_error(error) from error

    async def _read(self, seconds: float) -> bytes | None:
        if not await self._response.head(seconds):
            return None
        if self._response.status >= 300:
            raise response_error(self._response.status, self._response.headers, await self._error_body())
        while self._error is None:
            data = await self._response.read(seconds)
            if not data or self._decoder is None:
                if data == b"" and self._decoder is not None and self._decoder.pending:
                    raise _connection_error(EventStreamError("incomplete message"))
                return data
            payload = self._payload(data)
            if payload:
                return payload
        self.close()
        raise self._error

    def _payload(self, data: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101 - the response is an event stream
        parts: list[bytes] = []
        try:
            for headers, payload in self._decoder.feed(data):
                if headers.get(":message-type") != "event":
                    self._error = _stream_error(headers, payload)
                    break
                if headers.get(":event-type") == "PayloadPart":
                    parts.append(payload)
        except EventStreamError as error:
            self._error = _connection_error(error)
        return b"".join(parts)

    async def _error_body(self) -> bytes:
        body = b""
        while part := await self._response.read():
            body += part
            if len(body) > _MAX_ERROR_BYTES:
                self.close()
                break
        return body

    def close(self) -> None:
        """Stop the model, unless it has finished."""
        self._response.close()


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("_", text)


def response_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that SageMaker responded with."""
    members: Any
    try:
        members = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        # A page of a proxy.
        members = {"message": body[:_MAX_TEXT_BYTES].decode(errors="replace")}
    if not isinstance(members, dict):
        members = {}
    named = (members.get(name) for name in ("code", "Code", "__type"))
    code = next(filter(None, (headers.get("x-amzn-errortype"), *named)), status)
    # Some services add a URL or a namespace to the code.
    return _api_error(str(code).partition(":")[0].rpartition("#")[2], members)


def _stream_error(headers: Mapping[str, str], payload: bytes) -> ApiError:
    if headers.get(":message-type") == "error":
        code, message = (headers.get(name, "") for name in (":error-code", ":error-message"))
        return _api_error(code, {"message": message})
    try:
        members = json.loads(payload)
    except (ValueError, RecursionError):
        members = None
    return _api_error(headers.get(":exception-type", ""), members if isinstance(members, dict) else {})


def _api_error(code: str, members: Mapping[str, Any]) -> ApiError:
    message = str(members.get("message") or members.get("Message") or "")
    if code in ("ModelError", *_STREAM_BROKEN):
        return _model_error(code, message, members)
    if code in _THROTTLED:
        return RateLimitError(cause=code)
    if code in _INVALID and "'body'" in message:
        return RequestTooLargeError(cause=code)
    if code in _INVALID or code in _UNAVAILABLE:
        # SageMaker reports a missing endpoint as a validation error.
        return ModelUnavailableError(cause=f"{code}: {message}")
    # The others, such as missing permissions, only the operator can fix.
    return InternalError(cause=f"{code}: {message}")


def _model_error(code: str, message: str, members: Mapping[str, Any]) -> ApiError:
    status = members.get("OriginalStatusCode")
    if _TIMED_OUT.search(message) or members.get("ErrorCode") == "ModelInvocationTimeExceeded":
        return ModelTimeoutError(cause=f"{code}: status {status}")
    if code in _STREAM_BROKEN:
        return ModelError("The model failed in the middle of its response.", cause=code)
    original = members.get("OriginalMessage")
    return engine_response_error(str(original or ""), status if isinstance(status, int) else None)


def _connection_error(error: Exception) -> ApiError:
    cause = f"{type(error).__name__}: {error}"
    if isinstance(error, ConnectError):
        return ModelUnavailableError(cause=cause)
    if isinstance(error, SilenceError):
        return ModelTimeoutError(cause=cause)
    if isinstance(error, HttpError | EventStreamError):
        return ModelError("The connection to the model was lost.", cause=cause)
    return InternalError(cause=cause)
