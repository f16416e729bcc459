from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from authorizer.handler import handler

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/POST/v1/chat/completions"
KEY = f"sk-team-a-{'x' * 40}"
ROOT = Path(__file__).parents[3] / "lambda_src"


def event(**headers: str | None) -> dict[str, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"type": "REQUEST", "headers": names, "methodArn": ARN}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer my-key"},
        {"authorization": "bearer  my-key "},
        {"AUTHORIZATION": "BEARER my-key"},
        {"x_api_key": "my-key"},
        {"X_Api_Key": " my-key"},
        # OpenAI's clients always send a token; x-api-key is set on purpose.
        {"authorization": "Bearer unused", "x_api_key": "my-key"},
        {"authorization": "Bearer my-key", "x_api_key": ""},
        {"authorization": "Basic abc", "x_api_key": "my-key"},
    ],
)
def test_the_key_becomes_the_usage_key(headers: dict[str, str]) -> None:
    response = handler(event(**headers), None)
    assert response["usageIdentifierKey"] == "my-key"
    assert response["policyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/*",
        }
    ]


def test_the_response_reveals_the_key_nowhere_else() -> None:
    response = handler(event(authorization=f"Bearer {KEY}"), None)
    response.pop("usageIdentifierKey")
    assert KEY not in json.dumps(response)
    assert response["principalId"] != handler(event(authorization="Bearer other"), None)["principalId"]


@pytest.mark.parametrize(
    ("key", "name"), [(KEY, "team-a"), ("0123456789abcdef0123456789", ""), (f"sk-team-a-{'x' * 39}", "")]
)
def test_the_context_has_the_key_name(key: str, name: str) -> None:
    assert handler(event(x_api_key=key), None)["context"] == {"keyName": name}


@pytest.mark.parametrize("header", ["", None, "Bearer", "Bearer ", "Basic abc", "my-key", "Bearer schlüssel"])
def test_headers_without_a_key_are_unauthorized(header: str | None) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(event(authorization=header), None)


def test_requests_without_headers_are_unauthorized() -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler({"type": "REQUEST", "headers": None, "methodArn": ARN}, None)


@pytest.mark.parametrize(
    ("allowed", "other"), [("authorization", "x-api-key"), ("x-api-key", "authorization")]
)
def test_only_the_header_in_the_cache_key_is_read(allowed: str, other: str) -> None:
    """Otherwise the cache would return the key in the other header for every request with the first one."""
    values = {"authorization": "Bearer of-authorization", "x-api-key": "of-x-api-key"}
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from authorizer.handler import handler
values = {values!r}
print(handler({{"headers": values, "methodArn": {ARN!r}}}, None)["usageIdentifierKey"])
try:
    handler({{"headers": {{{other!r}: values[{other!r}]}}, "methodArn": {ARN!r}}}, None)
except Exception as error:
    print(error)
"""
    # A process with the standard library only, because the module reads the setting on import.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={**os.environ, "KEY_HEADERS": allowed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.splitlines() == [f"of-{allowed}", "Unauthorized"]
