"""Errors that reach a client, in the shape that OpenAI's clients know how to raise."""

from __future__ import annotations

from typing import Any, ClassVar


class ApiError(Exception):
    """Something went wrong with a request.

    Args:
        message: a sentence for the client; names nothing of the inside.
        param: the request's parameter that is at fault.
        cause: what the log should know and the client should not; never a prompt or an answer.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    # Seconds; OpenAI's clients wait as long before they try again by themselves.
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str, *, param: str | None = None, cause: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.cause = cause

    def body(self) -> dict[str, Any]:
        """The error object, as it is sent."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to it."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


class InternalError(ApiError):
    """The gateway itself is at fault, its code or its permissions."""

    code = "internal_error"

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The server had an error while processing your request.", cause=cause)


class InvalidRequestError(ApiError):
    """The request can't be answered as it is."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceededError(InvalidRequestError):
    """Prompt and answer don't fit into the model's context."""

    code = "context_length_exceeded"


class RequestTooLargeError(InvalidRequestError):
    """The request's body is larger than what the model, SageMaker or Lambda takes."""

    status = 413
    code = "request_too_large"

    def __init__(self, limit: int | None = None, *, cause: str | None = None) -> None:
        size = "what the model takes" if limit is None else f"{limit} bytes"
        super().__init__(f"The request is larger than {size}.", cause=cause)


class NotFoundError(ApiError):
    """No such path."""

    status = 404
    type = "invalid_request_error"


class MethodNotAllowedError(NotFoundError):
    """The path exists, with another method."""

    status = 405


class ModelNotFoundError(NotFoundError):
    """No model of this name is served here."""

    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model!r} does not exist.", param="model")


class ModelNotAllowedError(ApiError):
    """The caller's key is not for this model."""

    status = 403
    type = "invalid_request_error"
    code = "model_not_allowed"

    def __init__(self, model: str) -> None:
        super().__init__(f"This API key may not use the model {model!r}.", param="model")


class RateLimitError(ApiError):
    """The endpoint has more requests than it can take."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retry_after = 1

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model has too many requests at the moment; try again.", cause=cause)


class ModelError(ApiError):
    """The model's server failed, or answered something that is not understood."""

    status = 502
    code = "model_error"

    def __init__(self, message: str = "The model failed to answer.", *, cause: str | None = None) -> None:
        super().__init__(message, cause=cause)


class ModelUnavailableError(ApiError):
    """The endpoint is missing, not in service or out of capacity."""

    status = 503
    code = "model_unavailable"
    retry_after = 10

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model is not available at the moment; try again later.", cause=cause)


class ModelTimeoutError(ApiError):
    """The model did not answer in time."""

    status = 504
    code = "model_timeout"

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model did not answer in time.", cause=cause)
