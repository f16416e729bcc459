"""Restrictions of keys to models, and of pages to origins."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from gateway.app import create_app
from gateway.service import Models
from gateway.settings import Model, Settings
from starlette.testclient import TestClient

from tests.lambda_src.gateway.conftest import MODELS
from tests.support.patience import HANG_SECONDS

KEYS = {"team": ["org/demo", "safe", "elsewhere"], "unlimited": None, "*": ["vectors"]}
MESSAGES = [{"role": "user", "content": "hi"}]
ORIGIN = "https://chat.example.com"


@pytest.fixture(scope="module")
def limited(start_gateway: Any) -> Any:
    """A gateway with restricted keys and a page of another origin."""
    running = start_gateway(
        {
            "GATEWAY_MODELS": json.dumps(MODELS),
            "GATEWAY_KEY_MODELS": json.dumps(KEYS),
            "GATEWAY_CORS_ORIGINS": json.dumps([ORIGIN]),
        }
    )
    running.wait_until_ready()
    return running


def client_with_key(gateway: Any, key: str | None) -> httpx.Client:
    """A client whose requests come from API Gateway with this key."""
    authorizer = {} if key is None else {"authorizer": {"keyName": key}}
    context = json.dumps({"requestId": f"r-{key}", "identity": {"apiKeyId": "abc"}, **authorizer})
    headers = {"x-amzn-request-context": context}
    return httpx.Client(base_url=gateway.address, headers=headers, timeout=HANG_SECONDS)


def ask(client: httpx.Client, model: str) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": model, "messages": MESSAGES})


def test_a_key_lists_only_its_models(limited: Any) -> None:
    def listed_models(key: str | None) -> list[str]:
        return [model["id"] for model in client_with_key(limited, key).get("/v1/models").json()["data"]]

    # One name of a model allows all of its names.
    assert listed_models("team") == ["demo", "org/demo", "safe"]
    assert set(listed_models("unlimited")) > set(listed_models("team"))
    assert listed_models("another") == listed_models("") == listed_models(None) == ["vectors"]


def test_other_models_are_refused(limited: Any, engine: Any) -> None:
    client = client_with_key(limited, "team")
    for refused in (ask(client, "small"), client.get("/v1/models/small")):
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    assert ask(client, "nowhere").status_code == 404
    assert engine.bodies == []
    engine.respond(
        b'data: {"choices": [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]}\n\n'
    )
    assert ask(client, "demo").status_code == 200
    assert limited.log_line("r-team")["key_name"] == "team"
    assert "caller" not in limited.log_line("r-team")


def test_the_log_names_the_caller_with_a_jwt(limited: Any) -> None:
    def logged(identity: dict[str, str]) -> dict[str, Any]:
        authorizer = {"keyName": "jwt/trial", "caller": "0123456789abcdef"}
        context = {"requestId": f"r-{len(identity)}-jwt", "identity": identity, "authorizer": authorizer}
        headers = {"x-amzn-request-context": json.dumps(context)}
        httpx.get(f"{limited.address}/v1/models", headers=headers, timeout=HANG_SECONDS)
        return dict(limited.log_line(context["requestId"]))

    line = logged({"apiKeyId": "abc"})
    assert (line["key_name"], line["caller"]) == ("jwt/trial", "0123456789abcdef")
    # API Gateway has not checked this one.
    assert "caller" not in logged({})


def test_a_fallback_does_not_lift_restrictions(limited: Any, engine: Any) -> None:
    engine.error = (400, "ModelNotReadyException", {"message": "not ready"})
    response = ask(client_with_key(limited, "team"), "safe")
    assert response.status_code >= 400
    assert [path for path in engine.paths if "backup" in path] == []


def test_two_contexts_are_refused(limited: Any, engine: Any) -> None:
    contexts = [
        ("x-amzn-request-context", json.dumps({"authorizer": {"keyName": key}})) for key in ("a", "team")
    ]
    body = {"model": "demo", "messages": MESSAGES}
    response = httpx.post(
        f"{limited.address}/v1/chat/completions", json=body, headers=contexts, timeout=HANG_SECONDS
    )
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert limited.log_line(response.headers["x-request-id"])["error"] == "InvalidRequestError"
    assert engine.bodies == []


@pytest.mark.parametrize(
    ("checked", "models"),
    [
        ({"apiKey": f"sk-team-{'x' * 40}"}, ["demo"]),
        ({"apiKey": f"jwt-team-{'0' * 32}"}, ["demo"]),
        ({"apiKey": f"jwt-trusted-{'0' * 31}"}, ["small"]),
        ({"apiKey": "made-by-hand"}, ["small"]),
        ({}, ["demo", "small"]),
    ],
)
def test_the_key_that_api_gateway_checked_decides(checked: dict[str, str], models: list[str]) -> None:
    """The authorizer may have read a forged key in addition to the one that API Gateway checks."""
    key_models = {
        "team": frozenset({"demo"}),
        "jwt/team": frozenset({"demo"}),
        "trusted": frozenset({"demo", "small"}),
        "*": frozenset({"small"}),
    }
    context = {"identity": {"apiKeyId": "abc", **checked}, "authorizer": {"keyName": "trusted"}}
    response = client_of(key_models, json.dumps(context)).get("/v1/models")
    assert [model["id"] for model in response.json()["data"]] == models
    # Without a checked key, its name means nothing.
    del context["identity"]
    response = client_of(key_models, json.dumps(context)).get("/v1/models")
    assert [model["id"] for model in response.json()["data"]] == ["small"]


@pytest.mark.parametrize("context", [None, "{}", "null", "[]", "{", '{"identity": "x", "authorizer": []}'])
def test_requests_without_a_caller_are_restricted(context: str | None) -> None:
    restricted = client_of({"team": frozenset({"demo"})}, context)
    assert restricted.get("/v1/models").json()["data"] == []
    assert restricted.get("/v1/models/demo").status_code == 403
    assert ask(restricted, "demo").status_code == 403
    others = client_of({"team": frozenset({"demo"}), "*": frozenset({"small"})}, context)
    assert [model["id"] for model in others.get("/v1/models").json()["data"]] == ["small"]


@pytest.mark.parametrize("identity", [{"apiKeyId": "abc"}, {"userArn": "arn:aws:iam::1:user/a"}])
def test_unlisted_callers_may_use_all_models(identity: dict[str, str]) -> None:
    unlisted = client_of({"team": frozenset({"demo"})}, json.dumps({"identity": identity}))
    assert len(unlisted.get("/v1/models").json()["data"]) == 2


def client_of(key_models: dict[str, frozenset[str]], context: str | None) -> TestClient:
    """A client of a gateway with two models; its requests have this context."""
    models = {name: Model(name, name) for name in ("demo", "small")}
    app = create_app(Models(models, None, key_models), Settings(models))
    return TestClient(app, headers={} if context is None else {"x-amzn-request-context": context})


def test_without_limits_every_key_may_use_every_model(client: httpx.Client) -> None:
    assert len(client.get("/v1/models").json()["data"]) == len(MODELS) + 1


def test_cors_allows_only_configured_origins(limited: Any, client: httpx.Client) -> None:
    preflight = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-os",
    }
    with client_with_key(limited, "team") as browser:
        allowed = browser.options("/v1/chat/completions", headers=preflight)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
        other = browser.options(
            "/v1/chat/completions", headers={**preflight, "origin": "https://evil.example"}
        )
        assert other.status_code == 400 and "access-control-allow-origin" not in other.headers
        refused = browser.get("/v1/models/nowhere", headers={"origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, ORIGIN)
        exposed = refused.headers["access-control-expose-headers"]
        assert "retry-after" in exposed and "x-ratelimit-remaining-tokens" in exposed
    assert "access-control-allow-origin" not in client.get("/v1/models", headers={"origin": ORIGIN}).headers
