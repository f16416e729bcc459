"""Requests to the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway.errors import TokenRateExceededError

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.environment.expectations import Expectation, Objectives
from toolkit.environment.model import Limits
from toolkit.environment.serving import LlamaCppServing
from toolkit.environment.sources import PathSource
from toolkit.smoke.api import ApiChecks
from toolkit.smoke.function import ServedModel
from toolkit.smoke.results import FailedError, NotRunError


def checks(folder: Path, allowed: str, status: int = 403, code: str = "model_not_allowed") -> ApiChecks:
    """Checks of an API that refuses a model, and whose environment file allows one."""
    access = AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")
    further = f"api: {{usage_plans: {{default: {{models: [{allowed}]}}}}}}\n"
    context = opened(folder, access, ("small", "large"), further=further).context

    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": {"message": "no", "code": code}})

    return ApiChecks(context, httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://api"))


@pytest.mark.parametrize("check", ["call", "too_many_tokens"])
def test_models_that_the_key_may_not_use_are_not_checked(tmp_path: Path, check: str) -> None:
    def run(checks: ApiChecks) -> Any:
        if check == "call":
            return checks.call("small", ServedModel())
        return checks.too_many_tokens("small", 64)

    with pytest.raises(NotRunError, match="excludes the model"):
        run(checks(tmp_path / "a", "large"))
    with pytest.raises(FailedError):
        run(checks(tmp_path / "b", "small"))


def test_a_budget_that_is_used_up_is_not_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotRunError, match="budget"):
        checks(tmp_path, "small", 429, "insufficient_quota").call("small", ServedModel())


def limited(folder: Path, seconds: int) -> ApiChecks:
    """Checks of an API that refuses the first request for want of tokens, as the gateway does."""
    context = opened(folder, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1"), ("small",)).context
    error = TokenRateExceededError(1000, 1010, seconds)
    message = {"role": "assistant", "content": "Hello."}
    responses = iter([httpx.Response(error.status, json=error.body(), headers=error.headers())])

    def serve(_: httpx.Request) -> httpx.Response:
        return next(responses, httpx.Response(200, json={"choices": [{"message": message}]}))

    return ApiChecks(context, httpx.Client(transport=httpx.MockTransport(serve), base_url="http://api"))


EXPECTED = Expectation(name="hello", prompt="Hi", contains=("Hello",))


def test_checks_wait_until_the_key_has_tokens_again(tmp_path: Path) -> None:
    checks = limited(tmp_path / "a", 0)
    assert checks.patiently(lambda: checks.call("small", ServedModel())) == '"Hello."'
    checks = limited(tmp_path / "b", 0)
    assert checks.expect("small", checks.context.environment.models["small"], EXPECTED) == '"Hello."'


def test_a_failed_expectation_shows_its_prompt(tmp_path: Path) -> None:
    checks = limited(tmp_path, 0)
    prompt = "Say\n\x1b[31mgoodbye. " + "And again. " * 20
    expectation = Expectation(name="bye", prompt=prompt, contains=("Goodbye",))
    with pytest.raises(FailedError) as failure:
        checks.expect("small", checks.context.environment.models["small"], expectation)
    assert '"Hello.", to "Say \N{REPLACEMENT CHARACTER}[31mgoodbye. And again. And' in failure.value.detail
    assert len(failure.value.detail) < 200
    assert "a new expectation may ask too much" in str(failure.value.cause)


def test_checks_do_not_wait_longer_than_their_time_limit(tmp_path: Path) -> None:
    checks = limited(tmp_path, 3600)
    with pytest.raises(NotRunError, match="the tokens per minute of the key default are used up"):
        checks.expect("small", checks.context.environment.models["small"], EXPECTED)


def measuring(folder: Path, content: bytes) -> tuple[ApiChecks, list[Any]]:
    """Checks of an API that always responds with this stream, and the requests that it gets."""
    context = opened(folder, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1"), ("small",)).context
    small = context.environment.models["small"]
    update = {"limits": Limits(max_tokens_ceiling=16), "objectives": Objectives(first_token_ms=9)}
    context.environment.models["small"] = small.model_copy(update=update)
    sent: list[Any] = []

    def serve(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, content=content)

    client = httpx.Client(transport=httpx.MockTransport(serve), base_url="http://api")
    return ApiChecks(context, client), sent


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def test_a_stream_is_measured_from_its_first_part_with_text(tmp_path: Path) -> None:
    words = event(role="assistant") + event(content="one") + event(content="two") + DONE
    checks, sent = measuring(tmp_path, words)
    times = checks.measure("small", checks.context.environment.models["small"], streams=True)
    assert 0 < times.first_token_ms <= times.total_ms
    assert times.inter_token_ms is not None
    assert times.first_token_ms + times.inter_token_ms <= times.total_ms
    # Not more than the model's ceiling.
    assert (sent[0]["max_tokens"], sent[0]["stream"]) == (16, True)


@pytest.mark.parametrize(
    ("option", "path", "member"),
    [("embeddings", "/embeddings", "input"), ("reranking", "/rerank", "query")],
)
def test_a_model_of_another_task_is_measured_at_it(
    tmp_path: Path, option: str, path: str, member: str
) -> None:
    checks, _ = measuring(tmp_path, b"")
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:own"
    serving = LlamaCppServing.model_validate(
        {"engine": "llama_cpp", "image": image, "options": {option: True}}
    )
    small = checks.context.environment.models["small"]
    model = small.model_copy(update={"serving": serving, "source": PathSource(path="m.gguf")})
    paths: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        assert json.loads(request.content)[member] == Objectives(total_ms=1).prompt
        return httpx.Response(200, json={})

    client = httpx.Client(transport=httpx.MockTransport(serve), base_url="http://api")
    ApiChecks(checks.context, client).measure("small", model, streams=False)
    assert paths == [path]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (event(content="one"), "ended early"),
        (event(role="assistant") + DONE, "is empty"),
        (b'data: {"error": {"message": "worker died"}}\n\n', "worker died"),
    ],
)
def test_a_broken_stream_is_a_failed_request(tmp_path: Path, content: bytes, reason: str) -> None:
    checks, _ = measuring(tmp_path, content)
    with pytest.raises(FailedError, match=reason):
        checks.measure("small", checks.context.environment.models["small"], streams=True)
