"""SageMaker's runtime: one call, whose response is read as it arrives."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

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

_SERVICE: Final = "sagemaker-runtime"
_CONNECT_SECONDS: Final = 5
# Time without data, just below API Gateway's limit of 5 minutes, so that the client gets the reason.
_READ_SECONDS: Final = 290
_CONNECTIONS: Final = 50
_CHUNK_BYTES: Final = 64 * 1024
_INFERENCE_ID_CHARACTERS: Final = 64
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

    botocore's client is created in a thread, because that takes as long as importing the web framework.
    """

    def __init__(self) -> None:
        # The header of the thread's current call: botocore has no parameter for it.
        self._trace = threading.local()
        executor = ThreadPoolExecutor(max_workers=1)
        self._client = executor.submit(_runtime_client, self._add_trace)
        executor.shutdown(wait=False)

    def wait_until_ready(self) -> None:
        """Wait for the client; raises what its creation raised, e.g. for a missing region."""
        self._client.result()

    def invoke(self, call: Call) -> Invocation:
        """Invoke an endpoint; returns when its response begins.

        Raises:
            ApiError: it does not exist, is not in service, is overloaded, or rejected the request.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client.result()
        operation = client.invoke_endpoint_with_response_stream if call.streamed else client.invoke_endpoint
        self._trace.header = call.trace
        try:
            response = operation(
                EndpointName=call.endpoint,
                ContentType="application/json",
                InferenceId=call.request_id[:_INFERENCE_ID_CHARACTERS],
                Body=call.body,
            )
        except ClientError as error:
            raise _api_error(error.response) from error
        except BotoCoreError as error:
            raise _connection_error(error) from error
        return Invocation(response["Body"], streamed=call.streamed)

    def _add_trace(self, params: dict[str, Any], **_: object) -> None:
        trace = getattr(self._trace, "header", None)
        if trace:
            params["headers"]["X-Amzn-Trace-Id"] = trace


class Invocation:
    """The bytes of one response.

    Args:
        body: botocore's event stream, or its body of a whole response.
        streamed: whether it is the former.
    """

    def __init__(self, body: Any, *, streamed: bool) -> None:
        self._body = body
        self._streamed = streamed

    def __iter__(self) -> Iterator[bytes]:
        """Parts as they arrive, split anywhere.

        Raises:
            ApiError: the model or the connection failed.
        """
        from botocore.eventstream import ParserError
        from botocore.exceptions import BotoCoreError, EventStreamError
        from urllib3.exceptions import HTTPError

        try:
            if self._streamed:
                for event in self._body:
                    if "PayloadPart" in event:
                        yield event["PayloadPart"]["Bytes"]
            else:
                yield from self._body.iter_chunks(_CHUNK_BYTES)
        except EventStreamError as error:
            raise _api_error(error.response) from error
        except (BotoCoreError, HTTPError, ParserError) as error:
            raise _connection_error(error) from error
        finally:
            self._body.close()

    def interrupt(self) -> None:
        """Abort a read in another thread, so that the model stops.

        Closing would wait for that read; shutting down the socket does not. botocore has no public way to
        the socket, and older urllib3 none at all: there, the read ends at the model's next token.
        """
        shutdown = getattr(getattr(self._body, "_raw_stream", None), "shutdown", None)
        if shutdown is not None:
            try:
                shutdown()
            except (ValueError, RuntimeError, OSError):
                # The response has just ended, and its connection returned to the pool.
                return


def _runtime_client(before_call: Any) -> Any:
    # botocore rather than boto3, which also loads its resources and S3's transfer manager.
    from botocore.config import Config
    from botocore.loaders import Loader
    from botocore.session import Session

    class OneService(Loader):
        def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
            """Spare botocore reading the files of all 400 services to see that this one exists."""
            return [_SERVICE]

    session = Session()
    session.register_component("data_loader", OneService())
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        # A retry would make the model work twice; clients retry after 429 and 503.
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    client = session.create_client(_SERVICE, config=config)
    client.meta.events.register(f"before-call.{_SERVICE}", before_call)
    return client


def _api_error(response: Any) -> ApiError:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in ("ModelError", *_STREAM_BROKEN):
        return _model_error(response, code, message)
    if code in _THROTTLED:
        return RateLimitError(cause=code)
    if code in _INVALID and "'body'" in message:
        return RequestTooLargeError(cause=code)
    if code in _INVALID or code in _UNAVAILABLE:
        # SageMaker reports a missing endpoint as a validation error.
        return ModelUnavailableError(cause=f"{code}: {message}")
    # The others, such as missing permissions, only the operator can fix.
    return InternalError(cause=f"{code}: {message}")


def _model_error(response: Any, code: str, message: str) -> ApiError:
    status = response.get("OriginalStatusCode")
    # In a stream botocore drops the error code, so only SageMaker's message distinguishes them.
    if _TIMED_OUT.search(message) or response.get("ErrorCode") == "ModelInvocationTimeExceeded":
        return ModelTimeoutError(cause=f"{code}: status {status}")
    if code in _STREAM_BROKEN:
        return ModelError("The model failed in the middle of its response.", cause=code)
    return engine_response_error(str(response.get("OriginalMessage", "")), status)


def _connection_error(error: Exception) -> ApiError:
    from botocore.eventstream import ParserError
    from botocore.exceptions import (
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        ReadTimeoutError,
        ResponseStreamingError,
    )
    from urllib3.exceptions import HTTPError
    from urllib3.exceptions import ReadTimeoutError as StreamTimeoutError

    cause = type(error).__name__
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return ModelUnavailableError(cause=cause)
    if isinstance(error, ReadTimeoutError | StreamTimeoutError):
        return ModelTimeoutError(cause=cause)
    if isinstance(error, HTTPClientError | HTTPError | ParserError | ResponseStreamingError):
        return ModelError("The connection to the model was lost.", cause=cause)
    return InternalError(cause=cause)
