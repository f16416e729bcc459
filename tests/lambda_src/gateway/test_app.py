from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.support.gateway import CHAT, RESPONSE
from tests.support.patience import HANG_SECONDS

CONTEXT = {"requestId": "api-gateway-7", "identity": {"apiKeyId": "key-1", "sourceIp": "127.0.0.1"}}


def test_health_reveals_no_internals(client: httpx.Client, gateway: Any) -> None:
    response = client.get("/healthz")
    assert response.json() == {"status": "ok"}
    assert "/healthz" not in gateway.log.read_text()


def test_unknown_paths_and_methods(client: httpx.Client) -> None:
    missing = client.get("/v2/models")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")
    assert client.get("/v1/models/").status_code == 404
    response = client.get("/v1/chat/completions")
    assert (response.status_code, response.json()["error"]["message"]) == (
        405,
        "The path /v1/chat/completions does not support GET.",
    )


def test_the_log_line_has_counts_and_no_secrets(client: httpx.Client, gateway: Any, engine: Any) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    choice = {"index": 0, "delta": {"content": "an answer"}, "finish_reason": "stop"}
    engine.respond(f"data: {json.dumps({'choices': [choice], 'usage': usage})}\n\n".encode())
    response = client.post(
        "/v1/chat/completions",
        json={"model": "demo", "messages": [{"role": "user", "content": "my prompt"}]},
        headers={
            "x-amzn-request-context": json.dumps(CONTEXT),
            "x-amzn-trace-id": "Root=1-abc-def",
            "authorization": "Bearer my-secret-key",
        },
    )
    assert response.headers["x-request-id"] == "api-gateway-7"
    assert response.json()["id"] == "chatcmpl-api-gateway-7"
    assert engine.headers[0]["x-amzn-trace-id"] == "Root=1-abc-def"
    assert engine.headers[0]["x-amzn-sagemaker-inference-id"] == "api-gateway-7"
    line = gateway.log_line("api-gateway-7")
    for name in list(line):
        if name[0] in "_ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            del line[name]  # its metrics: see test_metrics
    assert 0 < line.pop("time_to_first_token_ms") <= line.pop("duration_ms")
    assert line == {
        "level": "INFO",
        "message": "request",
        "request_id": "api-gateway-7",
        "trace": "Root=1-abc-def",
        "api_key_id": "key-1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "model": "demo",
        "stream": False,
        "prompt_tokens": 5,
        "completion_tokens": 2,
    }
    log = gateway.log.read_text()
    assert "my prompt" not in log
    assert "an answer" not in log
    assert "my-secret-key" not in log


def test_an_invalid_context_still_gives_a_request_id(client: httpx.Client) -> None:
    response = client.get("/v1/models", headers={"x-amzn-request-context": "{"})
    assert len(response.headers["x-request-id"]) == 36


def test_internal_errors_are_500_and_logged_with_frames(capsys: Any) -> None:
    from gateway.app import create_app
    from gateway.service import Models
    from gateway.settings import Model, Settings

    class Broken:
        def invoke(self, *_: Any) -> Any:
            raise ZeroDivisionError("quotes the prompt")

    models = {"demo": Model("demo", "demo")}
    http = TestClient(create_app(Models(models, Broken()), Settings(models)), raise_server_exceptions=False)
    response = http.post(
        "/v1/chat/completions", json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    )
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    line = json.loads(capsys.readouterr().out)
    assert (line["error"], line["status"], line["level"]) == ("ZeroDivisionError", 500, "ERROR")
    assert "test_app.py" in line["frames"][-1]
    assert "quotes" not in json.dumps(line)


@pytest.mark.slow
def test_bodies_that_are_nested_too_deeply_are_refused(client: httpx.Client, engine: Any) -> None:
    engine.respond(*RESPONSE)
    statuses = []
    for depth in (100, *range(930, 1000), 100_000):
        body = json.dumps(CHAT)[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}"
        statuses.append(client.post("/v1/chat/completions", content=body).status_code)
    assert set(statuses) == {200, 400}
    assert statuses == sorted(statuses)


def test_content_is_logged_if_enabled(start_gateway: Any, engine: Any) -> None:
    gateway = start_gateway(
        {"GATEWAY_MODELS": '{"demo": {"endpoint": "demo"}}', "GATEWAY_LOG_CONTENT": "true"}
    )
    gateway.wait_until_ready()
    choice = {"index": 0, "delta": {"content": "an answer"}, "finish_reason": "stop"}
    engine.respond(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    chat = {"model": "demo", "messages": [{"role": "user", "content": "my prompt"}]}
    for number, more in enumerate([{}, {"stream": True}]):
        context = json.dumps({"requestId": f"content-{number}"})
        httpx.post(
            f"{gateway.address}/v1/chat/completions",
            json={**chat, **more},
            headers={"x-amzn-request-context": context},
            timeout=HANG_SECONDS,
        )
        line = gateway.log_line(f"content-{number}", message="content")
        assert json.loads(line["request"]) == {**chat, **more}
        assert json.loads(line["answer"])[0][0]["delta"]["content"] == "an answer"
