"""Failures of ApplyGuardrail: it is tried again, or nothing passes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Content
from gateway.guard.bedrock import BedrockGuard
from gateway.settings import BedrockGuardrail

PASS = {"action": "NONE", "outputs": [], "assessments": [], "usage": {}}


class Bedrock:
    """A server whose responses are scripted: a status with an error code, a body, or None to disconnect."""

    def __init__(self) -> None:
        self.responses: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        bedrock = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                bedrock.requests.append({"path": self.path, **body})
                response = bedrock.responses.pop(0)
                if response is None:
                    return
                status, code, content = response if isinstance(response, tuple) else (200, "", response)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("x-amzn-errortype", code)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    # No waiting between attempts.
    monkeypatch.setattr("random.random", lambda: 0.0)
    bedrock = Bedrock()
    yield bedrock
    bedrock.server.shutdown()


def check(bedrock: Bedrock, *texts: str) -> list[str]:
    environ = {
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://127.0.0.1:{bedrock.server.server_port}",
    }
    guard = BedrockGuard(BedrockGuardrail("abc", "7"), environ)
    return asyncio.run(guard.check(texts, Content("", "output", "demo")))


def intervened(action: str, *outputs: str, policy: str = "contentPolicy") -> dict[str, Any]:
    assessments = [{policy: {"filters": [{"type": "HATE", "action": action}]}}] if action else []
    texts = [{"text": text} for text in outputs]
    return {**PASS, "action": "GUARDRAIL_INTERVENED", "outputs": texts, "assessments": assessments}


def test_the_request(bedrock: Bedrock) -> None:
    bedrock.responses = [PASS]
    assert check(bedrock, "a", "é") == ["a", "é"]
    content = [{"text": {"text": "a"}}, {"text": {"text": "é"}}]
    path = "/guardrail/abc/version/7/apply"
    assert bedrock.requests == [{"path": path, "source": "OUTPUT", "content": content}]


@pytest.mark.parametrize(
    "failure",
    [(429, "ThrottlingException", {}), (503, "ServiceUnavailableException", {}), (500, "Internal", {}), None],
)
def test_temporary_failures_are_tried_again(bedrock: Bedrock, failure: Any) -> None:
    bedrock.responses = [failure, failure, PASS]
    assert check(bedrock, "a") == ["a"]
    bedrock.responses = [failure] * 3
    with pytest.raises(GuardError):
        check(bedrock, "a")
    assert bedrock.responses == []


@pytest.mark.parametrize(
    "response",
    [
        (400, "ValidationException:http://x/", {"message": "private"}),
        (404, "ResourceNotFoundException", {"message": "private"}),
        (402, "ServiceQuotaExceededException", {"message": "private"}),
        b"<html>",
        b"[]",
        {"action": "MAYBE"},
        {},
    ],
)
def test_other_failures_let_nothing_pass(bedrock: Bedrock, response: Any) -> None:
    bedrock.responses = [response]
    with pytest.raises(GuardError) as caught:
        check(bedrock, "a")
    assert "private" not in str(caught.value.cause)


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (intervened("BLOCKED", "not here"), "contentPolicy"),
        (intervened("BLOCKED", "not here", policy="aNewPolicy"), "aNewPolicy"),
        (intervened("REWRITTEN", "not here"), "contentPolicy"),
        # Masked only, but without a text for the one that was sent.
        (intervened("ANONYMIZED"), "unknown policy"),
        (intervened("", "not here"), "unknown policy"),
    ],
)
def test_interventions_that_are_not_masks_block(bedrock: Bedrock, response: Any, cause: str) -> None:
    bedrock.responses = [response]
    with pytest.raises(ContentFilterError) as caught:
        check(bedrock, "a")
    assert caught.value.cause == f"guardrail: {cause}"
    assert caught.value.message


def test_masks_that_cannot_be_assigned_are_asked_for_one_by_one(bedrock: Bedrock) -> None:
    bedrock.responses = [intervened("ANONYMIZED", "x y"), PASS, intervened("ANONYMIZED", "y")]
    assert check(bedrock, "a", "b") == ["a", "y"]
    assert [len(request["content"]) for request in bedrock.requests] == [2, 1, 1]
