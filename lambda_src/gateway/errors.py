"""Errors that clients see, in the shape that OpenAI's clients raise as exceptions."""

from __future__ import annotations

from typing import Any, ClassVar


class ApiError(Exception):
    """A request failed.

    Args:
        message: a sentence for the client; reveals no internals.
        param: the parameter that is wrong.
        cause: details for the log only; never a prompt or a response.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    # Seconds; OpenAI's clients wait this long before they retry.
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str, *, param: str | None = None, cause: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.cause = cause

    def body(self) -> dict[str, Any]:
        """The response body."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """The response headers."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


class InternalError(ApiError):
    """The gateway's code or its permissions are wrong."""

    code = "internal_error"

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The server had an error while processing your request.", cause=cause)


class InvalidRequestError(ApiError):
    """The request is invalid."""

    status = 400
    type = "invalid_request_error"


class MissingPathError(InvalidRequestError):
    """The model's server has no path for the operation."""

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model does not support this operation.", param="model", cause=cause)


class ContextLengthExceededError(InvalidRequestError):
    """The prompt and the response do not fit into the model's context."""

    code = "context_length_exceeded"


class ContentFilterError(InvalidRequestError):
    """A guard does not let the content pass."""

    code = "content_filter"

    def __init__(self, message: str = "", *, cause: str | None = None) -> None:
        super().__init__(message or "The content was blocked by this API's content filter.", cause=cause)


class RequestTooLargeError(InvalidRequestError):
    """The request's body is larger than the model, SageMaker or Lambda accepts."""

    status = 413
    code = "request_too_large"

    def __init__(self, limit: int | None = None, *, cause: str | None = None) -> None:
        size = "the model accepts" if limit is None else f"{limit} bytes"
        super().__init__(f"The request is larger than {size}.", cause=cause)


class NotFoundError(ApiError):
    """The path does not exist."""

    status = 404
    type = "invalid_request_error"


class MethodNotAllowedError(NotFoundError):
    """The path exists, but not with this method."""

    status = 405


class ModelNotFoundError(NotFoundError):
    """No model has this name."""

    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model!r} does not exist.", param="model")


class ModelNotAllowedError(ApiError):
    """The caller's key may not use this model."""

    status = 403
    type = "invalid_request_error"
    code = "model_not_allowed"

    def __init__(self, model: str) -> None:
        super().__init__(f"This API key may not use the model {model!r}.", param="model")


class RateLimitError(ApiError):
    """The endpoint is overloaded."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retry_after = 1

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model is receiving too many requests; try again.", cause=cause)


class GuardError(ApiError):
    """A guard failed, so that the content is not known to be harmless."""

    status = 503
    code = "guard_unavailable"
    retry_after = 5

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The content cannot be checked at the moment; try again later.", cause=cause)


class KeyLimitError(ApiError):
    """A budget of the caller's key is used up.

    Args:
        message: see `ApiError`.
        seconds: until it is renewed.
    """

    status = 429

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self._seconds = seconds

    def headers(self) -> dict[str, str]:
        """The response headers."""
        return {"retry-after": str(self._seconds)}


class TokenRateExceededError(KeyLimitError):
    """The tokens per minute of the caller's key are used up."""

    type = "tokens"
    code = "rate_limit_exceeded"

    def __init__(self, limit: int, used: int, seconds: int) -> None:
        # Clients parse OpenAI's words: openai/openai-cookbook and litellm wait for "try again in".
        super().__init__(
            f"Rate limit reached for this API key on tokens per min (TPM): Limit {limit}, Used {used}. "
            f"Please try again in {seconds}s.",
            seconds,
        )


class QuotaExceededError(KeyLimitError):
    """The tokens or dollars per month of the caller's key are used up."""

    type = "insufficient_quota"
    code = "insufficient_quota"

    def headers(self) -> dict[str, str]:
        """The response headers."""
        # The clients of OpenAI and Anthropic would try twice more within seconds.
        return {**super().headers(), "x-should-retry": "false"}


class ModelError(ApiError):
    """The model's server failed, or its response is not valid."""

    status = 502
    code = "model_error"

    def __init__(self, message: str = "The model failed to respond.", *, cause: str | None = None) -> None:
        super().__init__(message, cause=cause)


class ModelUnavailableError(ApiError):
    """The endpoint is missing, not in service or out of capacity."""

    status = 503
    code = "model_unavailable"
    retry_after = 10

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model is currently unavailable; try again later.", cause=cause)


class ModelTimeoutError(ApiError):
    """The model did not respond in time."""

    status = 504
    code = "model_timeout"

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__("The model did not respond in time.", cause=cause)
