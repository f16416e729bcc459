"""SageMaker's runtime: one call, whose answer is read while it comes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from gateway.engine_errors import engine_answer
from gateway.errors import (
    ApiError,
    InternalError,
    InvalidRequestError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitError,
)

_CONNECT_SECONDS: Final = 5
# Of silence. Just below API Gateway's own limit of 5 minutes, so that the client is told why.
_READ_SECONDS: Final = 290
_CONNECTIONS: Final = 50
# SageMaker's error codes; services differ in whether the name ends in Exception.
_THROTTLED: Final = ("ThrottlingException", "Throttling", "TooManyRequestsException")
_INVALID: Final = ("ValidationError", "ValidationException")
_STREAM_BROKEN: Final = ("ModelStreamError", "InternalStreamFailure")
_UNAVAILABLE: Final = (
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "InternalDependencyException",
    "InternalFailure",
)


class Endpoints:
    """The account's endpoints.

    The client is made in a thread, because that takes as long as importing the web framework does.
    """

    def __init__(self) -> None:
        executor = ThreadPoolExecutor(max_workers=1)
        self._client = executor.submit(_runtime_client)
        executor.shutdown(wait=False)

    def wait_until_ready(self) -> None:
        """Wait for the client; raises what its creation raised, such as a missing region."""
        self._client.result()

    def invoke(self, endpoint: str, body: bytes) -> Invocation:
        """Ask an endpoint; returns when its answer begins.

        Raises:
            ApiError: it does not exist, is not in service, is overloaded, or refused the request.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response = self._client.result().invoke_endpoint_with_response_stream(
                EndpointName=endpoint, ContentType="application/json", Body=body
            )
        except ClientError as error:
            raise _api_error(error.response) from error
        except BotoCoreError as error:
            raise _connection_error(error) from error
        return Invocation(response["Body"])


class Invocation:
    """The bytes of one answer.

    Args:
        events: botocore's event stream.
    """

    def __init__(self, events: Any) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        """Parts as they come, split anywhere.

        Raises:
            ApiError: the model or the line failed.
        """
        from botocore.exceptions import BotoCoreError, EventStreamError
        from urllib3.exceptions import HTTPError

        try:
            for event in self._events:
                yield event["PayloadPart"]["Bytes"]
        except EventStreamError as error:
            raise _api_error(error.response) from error
        except (BotoCoreError, HTTPError) as error:
            raise _connection_error(error) from error
        finally:
            self._events.close()

    def interrupt(self) -> None:
        """End a read that is under way in another thread, so that the model stops working for nobody.

        Closing would wait for that very read; shutting the socket down does not. botocore has no public
        way to it, and older urllib3 none at all: there, the read ends at the model's next word.
        """
        shutdown = getattr(getattr(self._events, "_raw_stream", None), "shutdown", None)
        if shutdown is not None:
            try:
                shutdown()
            except (ValueError, RuntimeError, OSError):
                # The answer ended in this moment, and its connection went back to the pool.
                return


def _runtime_client() -> Any:
    # botocore rather than boto3, which would load its resources and S3's transfer manager besides.
    from botocore.config import Config
    from botocore.session import Session

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        # A repeated call would make the model work twice; clients repeat when they are told 429 or 503.
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return Session().create_client("sagemaker-runtime", config=config)


def _api_error(response: Any) -> ApiError:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in ("ModelError", *_STREAM_BROKEN):
        return _model_error(response, code, message)
    if code in _THROTTLED:
        return RateLimitError("The model has too many requests at the moment.", cause=code)
    if code in _INVALID and "'body'" in message:
        return InvalidRequestError("The request is too large for the model.", cause=code)
    if code in _INVALID or code in _UNAVAILABLE:
        # SageMaker calls a missing endpoint a validation error.
        return ModelUnavailableError(cause=f"{code}: {message}")
    # What remains are permissions and the like, which only the operator can mend.
    return InternalError(cause=f"{code}: {message}")


def _model_error(response: Any, code: str, message: str) -> ApiError:
    status = response.get("OriginalStatusCode")
    if "timed out" in message:
        return ModelTimeoutError(cause=f"{code}: status {status}")
    if code in _STREAM_BROKEN:
        return ModelError("The model failed in the middle of its answer.", cause=code)
    return engine_answer(str(response.get("OriginalMessage", "")), status)


def _connection_error(error: Exception) -> ApiError:
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, HTTPClientError
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    cause = type(error).__name__
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return ModelUnavailableError(cause=cause)
    if isinstance(error, ReadTimeoutError):
        return ModelTimeoutError(cause=cause)
    if isinstance(error, HTTPClientError | HTTPError):
        return ModelError("The connection to the model was lost.", cause=cause)
    return InternalError(cause=cause)
