"""An engine's error → the error that the client sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from gateway.errors import (
    ApiError,
    ContextLengthExceededError,
    InvalidRequestError,
    MissingPathError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitError,
    RequestTooLargeError,
)

# How llama.cpp, vLLM, LMI, and Text Generation and Embeddings Inference report that an input is too long.
_CONTEXT: Final = re.compile(
    r"context[ _](length|size|window)|exceed_context_size|maximum model length|longer than the maximum"
    r"|too large to process|`?inputs`? tokens \+ `?max_new_tokens`?|`?inputs`? must have less than",
    re.IGNORECASE,
)
# Addresses, paths, ARNs and tracebacks reveal internals.
_INTERNAL: Final = re.compile(r"arn:aws|https?://|(^|[\s'\"=(])/\w+/|Traceback|\.py\b|\d\.\d+\.\d+\.\d")
_MAX_MESSAGE_CHARACTERS: Final = 1000
_INVALID: Final = (
    *("badrequesterror", "invalid_request_error", "validation", "tokenizer", "empty"),
    *("template_error", "missing_template_variable", "tool_error"),
)
# Mistakes of the client that engines report as their own failure: llama.cpp answers 500 to what it cannot
# parse or does not support, LMI 424 to what it cannot parse, and streams of Text Generation Inference have no
# status.
_REJECTED: Final = re.compile(
    r"^(failed to parse (messages|tools|grammar)|input parsing failed|input validation error|template error"
    r"|tool error|missing (template|tool|'role')|unknown (?!error)|unsupported (tool|content)|expected '"
    r"|cannot (use|have|continue|specify|set)|invalid (url|tool)|failed to (download|load) image"
    r"|\[json\.exception\.(type_error|out_of_range))|input is not supported|requires --",
    re.IGNORECASE,
)
# An operation that the engine has for other models only: vLLM, LMI, Text Embeddings Inference (which has one
# operation, and misses its members).
_UNSUPPORTED: Final = re.compile(
    r"cannot find suitable handler|must contain prompt, inputs|missing field `(inputs|query|texts)`",
    re.IGNORECASE,
)
# A server without a path for the operation.
_NO_PATH: Final = re.compile(r"(file )?not found", re.IGNORECASE)
_OVERLOADED: Final = re.compile(r"overloaded|queue is full|too many requests", re.IGNORECASE)
# LMI passes vLLM's error on as the text of a Python object. A message may quote a long prompt, so the pattern
# takes linear time: it is tried at one position, and its last part does not extend over a comma.
_ERROR_INFO: Final = re.compile(
    r"ErrorInfo\(message=(['\"])(.*)\1, type='(\w+)', param=[^,]*, code=(\d{3})\)", re.DOTALL
)
_BY_STATUS: Final[dict[int, Callable[..., ApiError]]] = {
    408: ModelTimeoutError,
    413: RequestTooLargeError,
    429: RateLimitError,
    503: ModelUnavailableError,
    504: ModelTimeoutError,
}


def engine_error(error: Any, status: int | None = None) -> ApiError:
    """The API error for an error that an engine reported.

    Args:
        error: the engine's error, an object or a text.
        status: the engine's HTTP status, if known.
    """
    kind, message = "", str(error)
    if isinstance(error, dict):
        kind = str(error.get("type") or error.get("error_type") or "")
        # FastAPI's own errors have `detail`.
        message = str(error.get("message") or error.get("detail") or "")
        code = error.get("code")
        status = status or (code if isinstance(code, int) else None)
    if info := _ERROR_INFO.match(message, message.find("ErrorInfo(")):
        message, kind, status = info[2], info[3], int(info[4])
    # A message may quote the prompt, so only its type is logged.
    cause = f"engine: status {status}, type {kind or 'unknown'}"
    if _CONTEXT.search(f"{kind} {message}"):
        return ContextLengthExceededError(_public(message), cause=cause)
    if status == 501 or _UNSUPPORTED.search(message):
        # llama.cpp sends 501 for embeddings and reranking of a model that was not started for them.
        return InvalidRequestError("The model does not support this operation.", param="model", cause=cause)
    if _NO_PATH.fullmatch(message.strip()):
        return MissingPathError(cause=cause)
    if status in (400, 422) or kind.lower() in _INVALID or _REJECTED.search(message):
        return InvalidRequestError(_public(message), cause=cause)
    if kind.lower() == "overloaded" or _OVERLOADED.search(message):
        status = 429
    return _BY_STATUS.get(status or 500, ModelError)(cause=cause)


def engine_response_error(text: str, status: int | None) -> ApiError:
    """The API error for an engine's HTTP response with a status other than 200."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return engine_error(text, status)
    if not isinstance(document, dict):
        return engine_error(text, status)
    error = document.get("error", document)
    if isinstance(error, str):
        # Text Generation Inference and LMI put the type next to the message.
        error = {**document, "message": error, **_nested(error)}
    return engine_error(error, status)


def _nested(text: str) -> dict[str, Any]:
    """vLLM's error in the text of another: LMI passes those of embeddings on as JSON."""
    if not text.startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    error = document.get("error", document)
    return error if isinstance(error, dict) else {}


def _public(message: str) -> str:
    if not message or _INTERNAL.search(message):
        return "The model rejected the request as invalid."
    return message[:_MAX_MESSAGE_CHARACTERS]
