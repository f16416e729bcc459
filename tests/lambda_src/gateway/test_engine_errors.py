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
# Events of a stream, which have no status.
TGI_STREAM = {"error": {"message": "Input validation error: `top_k` must be", "http_status_code": 422}}
TGI_FAILED = {"error": {"message": "Request failed during generation: x", "http_status_code": 422}}
TGI_STREAM_BUSY = {"error": {"message": "Model is overloaded", "http_status_code": 422}}
LLAMA_PARSE = "Failed to parse messages: [json.exception.type_error.302] type must be string, but is null"
LLAMA_IMAGE = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
# The model's output, not the request.
LLAMA_OUTPUT = "Failed to parse input at pos 12"
LMI_INPUT = "Input parsing failed: 1 validation error for ChatCompletionRequest"
LMI_VLLM = "error=ErrorInfo(message='top_p must be in (0, 1]', type='BadRequestError', param=None, code=400)"
LMI_DEAD = "error=ErrorInfo(message='engine died', type='InternalServerError', param=None, code=500)"
LMI_EMBEDDING = json.dumps({"error": {"message": "bad text", "type": "BadRequestError", "code": 400}})
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
        ({"error": {"message": LLAMA_PARSE, "type": "server_error"}}, 500, InvalidRequestError),
        ({"error": {"message": LLAMA_IMAGE, "type": "server_error"}}, 500, InvalidRequestError),
        ({"error": {"message": LLAMA_OUTPUT, "type": "server_error"}}, 500, ModelError),
        ({"error": {"message": "Compute error.", "type": "server_error"}}, 500, ModelError),
        ({"error": {"message": "unknown error", "type": "server_error"}}, 500, ModelError),
        (TGI_STREAM, None, InvalidRequestError),
        (TGI_FAILED, None, ModelError),
        (TGI_STREAM_BUSY, None, RateLimitError),
        ({"error": "Request failed during generation", "error_type": "generation"}, 424, ModelError),
        ({"error": LMI_INPUT, "code": 424}, 424, InvalidRequestError),
        ({"error": LMI_VLLM, "code": 500}, 500, InvalidRequestError),
        ({"error": LMI_DEAD, "code": 500}, 500, ModelError),
        ({"error": LMI_EMBEDDING, "code": 400}, 400, InvalidRequestError),
        ({"error": "{", "code": 500}, 500, ModelError),
        ([1], 500, ModelError),
        # A pattern that takes more than linear time would not end.
        ({"error": "ErrorInfo(message='" * 20_000 + "', type='x', param=" * 20_000}, 500, ModelError),
        ({"error": "1" * 1_000_000}, 400, InvalidRequestError),
    ],
)
def test_engine_responses_become_errors(response: object, status: int | None, kind: type[ApiError]) -> None:
    error = engine_response_error(json.dumps(response), status)
    assert type(error) is kind


def test_a_text_that_is_not_json_is_a_model_error() -> None:
    assert type(engine_response_error("<html>Bad Gateway</html>", 500)) is ModelError


def test_engine_messages_are_passed_on() -> None:
    nested = json.dumps({"error": LMI_EMBEDDING, "code": 400})
    assert engine_response_error(nested, 400).message == "bad text"
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
