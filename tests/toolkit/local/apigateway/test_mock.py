"""Mock integrations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.patience import HANG_SECONDS

ALLOWED = {
    "method.response.header.Access-Control-Allow-Origin": "'https://example.com'",
    "method.response.header.Access-Control-Allow-Methods": "'POST,OPTIONS'",
}


def preflight(**more: Any) -> dict[str, Any]:
    extension = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 204}'},
        "responses": {"default": {"statusCode": "204", "responseParameters": ALLOWED}},
        **more,
    }
    return {"responses": {"204": {"description": "ok"}}, "x-amazon-apigateway-integration": extension}


@pytest.fixture
def put(api: Any) -> Any:
    def deploy(operation: dict[str, Any]) -> Any:
        api.put({"paths": {"/": {"options": operation}}})
        api.deploy()
        return api.cloud, api.url

    return deploy


def options(served: Any) -> Any:
    import httpx

    return httpx.options(served[1] + "/", headers={"origin": "https://example.com"}, timeout=HANG_SECONDS)


def test_a_preflight_request(put: Any) -> None:
    response = options(put(preflight()))
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "https://example.com"
    assert response.headers["access-control-allow-methods"] == "POST,OPTIONS"


def test_a_body_and_a_response_by_status(put: Any) -> None:
    responses = {
        "2\\d{2}": {"statusCode": "200", "responseTemplates": {"application/json": '{"ok": true}'}},
        "default": {"statusCode": "500"},
    }
    response = options(put(preflight(responses=responses)))
    assert (response.status_code, response.json()) == (200, {"ok": True})


def test_a_mock_without_a_status_is_a_500(put: Any) -> None:
    assert options(put(preflight(requestTemplates={}))).status_code == 500
