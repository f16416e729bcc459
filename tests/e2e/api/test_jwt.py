"""Callers with a JWT: the models and limits of their usage plan."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.api.conftest import Api
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e

MESSAGES: Any = [{"role": "user", "content": "hello"}]


def models(api: Api, token: str, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{api.base_url}/models",
        headers={"authorization": f"Bearer {token}", **headers},
        timeout=HANG_SECONDS,
    )


def test_a_jwt_allows_the_models_of_its_usage_plan(api: Api) -> None:
    token = api.issuer.token("one", groups=["staff", "guests"])
    client = openai.OpenAI(base_url=api.base_url, api_key=token, max_retries=0)
    assert {model.id for model in client.models.list()} == {"echo", "embedder", "vectors"}
    stream = client.chat.completions.create(model="echo", messages=MESSAGES, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "hello "
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="smollm2", messages=MESSAGES)
    assert refused.value.code == "model_not_allowed"


def test_a_jwt_without_a_usage_plan_is_forbidden(api: Api) -> None:
    response = models(api, api.issuer.token("one"))
    assert (response.status_code, response.json()["error"]["code"]) == (403, "access_denied")


def test_invalid_jwts_are_refused(api: Api) -> None:
    now = int(time.time())
    valid = api.issuer.token("one", groups=["guests"])
    head, body, signature = valid.split(".")
    for token in (
        api.issuer.token("one", groups=["guests"], exp=now - 3600),
        api.issuer.token("one", groups=["guests"], aud="another"),
        api.issuer.token("one", groups=["guests"], iss="https://another.example"),
        api.issuer.token("one", {"kid": "unknown"}, groups=["guests"]),
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}.",
    ):
        response = models(api, token)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert models(api, valid).status_code == 200
    # A key next to it applies.
    assert models(api, valid, **{"x-api-key": "unknown"}).status_code == 401
    assert len(models(api, valid, **{"x-api-key": api.key}).json()["data"]) > 3


def test_clients_cannot_use_the_key_of_callers_with_a_jwt(api: Api) -> None:
    keys = api.toolkit.client("apigateway").get_api_keys(includeValues=True)["items"]
    (value,) = [key["value"] for key in keys if key["name"].endswith("/jwt/some-models")]
    assert models(api, value).status_code == 401
    assert models(api, api.key, **{"x-api-key": value}).status_code == 401
    failed = api.toolkit("keys", "show", "jwt/some-models", "--env", "clients")
    assert (failed.returncode, value in failed.stdout) == (2, False)


def test_logs_contain_a_digest_of_the_caller(api: Api) -> None:
    token = api.issuer.token("one", groups=["guests"], sub="alice@example.com")
    request_id = models(api, token).headers["x-request-id"]
    log = api.toolkit.succeed("logs", "gateway", "--env", "clients", "--json")
    (line,) = [line for line in log.splitlines() if request_id in line]
    assert "alice" not in log and token not in log
    message = json.loads(line)
    assert "jwt/some-models" in json.dumps(message)
    authorizer = api.toolkit.succeed("logs", "authorizer", "--env", "clients")
    assert "alice" not in authorizer and token not in authorizer
