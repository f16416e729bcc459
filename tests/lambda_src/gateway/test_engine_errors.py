"""Engines' errors, taken from their sources, become OpenAI's errors."""

from __future__ import annotations

import json

import pytest
from gateway.engine_errors import engine_error, engine_response_error
from gateway.errors import (
    ApiError,
    ContextLengthExceededError,
    InvalidRequestError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitError,
    RequestTooLargeError,
)

LLAMA = {
    "error": {"code": 400, "message": "request (900 tokens) exceeds the available context size (512 tokens)"}
}
VLLM = {"error": {"message": "This model's maximum context length is 512 tokens.", "type": "BadRequestError"}}
VLLM_OLD = {
    "object": "error",
    "message": "max_tokens must be at least 1",
    "type": "BadRequestError",
    "code": 400,
}
TGI = {
    "error": "Input validation error: `inputs` must have less than 512 tokens.",
    "error_type": "validation",
}
TEI_LONG = {
    "error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
    "error_type": "Validation",
}
TEI_MANY = {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"}
TEI_BUSY = {"error": "Model is overloaded", "error_type": "Overloaded"}
TEI_LARGE = "Failed to buffer the request body: length limit exceeded"
LLAMA_BATCH = {
    "error": {
        "code": 500,
        "message": "input (901 tokens) is too large to process. increase the physical batch size",
        "type": "server_error",
    }
}
LLAMA_NO_EMBEDDINGS = {
    "error": {
        "code": 501,
        "message": "This server does not support embeddings. Start it with `--embeddings`",
        "type": "not_supported_error",
    }
}
TGI_BUSY = {"error": "Model is overloaded", "error_type": "overloaded"}


@pytest.mark.parametrize(
    ("response", "status", "kind"),
    [
        (LLAMA, 400, ContextLengthExceededError),
        (VLLM, 400, ContextLengthExceededError),
        (TGI, 422, ContextLengthExceededError),
        (VLLM_OLD, 400, InvalidRequestError),
        (TGI_BUSY, 429, RateLimitError),
        (
            {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
            503,
            ModelUnavailableError,
        ),
        ({"error": "timeout"}, 504, ModelTimeoutError),
        (TEI_LONG, 413, ContextLengthExceededError),
        (TEI_MANY, 422, InvalidRequestError),
        (TEI_BUSY, 429, RateLimitError),
        (TEI_LARGE, 413, RequestTooLargeError),
        (LLAMA_BATCH, 500, ContextLengthExceededError),
        (LLAMA_NO_EMBEDDINGS, 501, InvalidRequestError),
        ({"error": {"message": "CUDA out of memory"}}, 500, ModelError),
        ([1], 500, ModelError),
    ],
)
def test_engine_responses_become_errors(response: object, status: int, kind: type[ApiError]) -> None:
    error = engine_response_error(json.dumps(response), status)
    assert type(error) is kind


def test_a_text_that_is_not_json_is_a_model_error() -> None:
    assert type(engine_response_error("<html>Bad Gateway</html>", 500)) is ModelError


def test_engine_messages_are_passed_on() -> None:
    assert engine_response_error(json.dumps(VLLM_OLD), 400).message == "max_tokens must be at least 1"


@pytest.mark.parametrize(
    "secret",
    [
        "File /opt/ml/model/config.json not found",
        "see http://10.0.0.7:8080/x",
        "Traceback (most recent call last)",
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x",
        "raised in engine.py",
    ],
)
def test_internals_are_not_revealed(secret: str) -> None:
    assert secret not in engine_error({"message": secret}, 400).message


def test_causes_do_not_quote_prompts() -> None:
    error = engine_error({"message": "bad input: 'my secret prompt'", "type": "BadRequestError"}, 400)
    assert "secret" not in (error.cause or "")
