from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from authorizer.handler import handler

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/POST/v1/chat/completions"


def event(header: Any) -> dict[str, Any]:
    return {"type": "TOKEN", "authorizationToken": header, "methodArn": ARN}


@pytest.mark.parametrize("header", ["Bearer my-key", "bearer  my-key ", "BEARER my-key"])
def test_the_token_becomes_the_usage_key(header: str) -> None:
    answer = handler(event(header), None)
    assert answer["usageIdentifierKey"] == "my-key"
    assert answer["policyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/*",
        }
    ]


def test_the_key_shows_nowhere_else() -> None:
    answer = handler(event("Bearer my-key"), None)
    answer.pop("usageIdentifierKey")
    assert "my-key" not in json.dumps(answer)
    assert answer["principalId"] != handler(event("Bearer other"), None)["principalId"]


@pytest.mark.parametrize(
    "header", ["", None, "Bearer", "Bearer ", "Basic abc", "my-key", "Bearer schlüssel", "Bearer a\nb"]
)
def test_anything_else_is_unauthorized(header: Any) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(event(header), None)


def test_it_needs_the_standard_library_only() -> None:
    root = Path(__file__).parents[3] / "lambda_src"
    code = "import authorizer.handler"
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        check=True,
    )
