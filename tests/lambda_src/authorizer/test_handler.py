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
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"type": "REQUEST", "headers": given, "methodArn": ARN}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer my-key"},
        {"authorization": "bearer  my-key "},
        {"AUTHORIZATION": "BEARER my-key"},
        {"x_api_key": "my-key"},
        {"X_Api_Key": " my-key"},
        # Clients of OpenAI always send some token; a header of its own was meant.
        {"authorization": "Bearer unused", "x_api_key": "my-key"},
        {"authorization": "Bearer my-key", "x_api_key": ""},
        {"authorization": "Basic abc", "x_api_key": "my-key"},
    ],
)
def test_the_key_becomes_the_usage_key(headers: dict[str, str]) -> None:
    answer = handler(event(**headers), None)
    assert answer["usageIdentifierKey"] == "my-key"
    assert answer["policyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/*",
        }
    ]


def test_the_key_shows_nowhere_else() -> None:
    answer = handler(event(authorization=f"Bearer {KEY}"), None)
    answer.pop("usageIdentifierKey")
    assert KEY not in json.dumps(answer)
    assert answer["principalId"] != handler(event(authorization="Bearer other"), None)["principalId"]


@pytest.mark.parametrize(
    ("key", "name"), [(KEY, "team-a"), ("0123456789abcdef0123456789", ""), (f"sk-team-a-{'x' * 39}", "")]
)
def test_the_name_in_a_key_is_told_to_the_gateway(key: str, name: str) -> None:
    assert handler(event(x_api_key=key), None)["context"] == {"keyName": name}


@pytest.mark.parametrize("header", ["", None, "Bearer", "Bearer ", "Basic abc", "my-key", "Bearer schlüssel"])
def test_anything_else_is_unauthorized(header: str | None) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(event(authorization=header), None)


def test_without_headers_it_is_unauthorized() -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler({"type": "REQUEST", "headers": None, "methodArn": ARN}, None)


@pytest.mark.parametrize(
    ("allowed", "other"), [("authorization", "x-api-key"), ("x-api-key", "authorization")]
)
def test_only_the_header_that_answers_are_kept_by_counts(allowed: str, other: str) -> None:
    """Otherwise a key in the other header would be remembered for whoever sends the first one."""
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
    # Its own process, as it reads the setting when it starts; the standard library is all it has there.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={**os.environ, "KEY_HEADERS": allowed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.splitlines() == [f"of-{allowed}", "Unauthorized"]
