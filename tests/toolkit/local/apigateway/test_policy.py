from __future__ import annotations

from typing import Any

import pytest

from toolkit.local.apigateway.policy import decide

ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/live/POST/v1/chat/completions"
STAGE = "arn:aws:execute-api:us-east-1:123456789012:abc/live"


def statement(effect: str, resource: Any, action: Any = "execute-api:Invoke") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([statement("Allow", f"{STAGE}/*")], "allow"),
        ([statement("Allow", ["other", ARN])], "allow"),
        ([statement("Allow", "*", "*")], "allow"),
        ([statement("Allow", "*", ["execute-api:*"])], "allow"),
        ([statement("Allow", "*"), statement("Deny", f"{STAGE}/POST/*")], "deny"),
        ([statement("Allow", "*"), statement("Deny", f"{STAGE}/GET/*")], "allow"),
        ([statement("Allow", f"{STAGE}/GET/*")], "none"),
        ([statement("Allow", "*", "execute-api:ManageConnections")], "none"),
        ([statement("Allow", STAGE.replace("live", "dev") + "/*")], "none"),
        ([statement("Allow", ARN.replace("/v1/", "/v?/"))], "allow"),
        # A pattern is no regular expression.
        ([statement("Allow", ARN.replace("us-east-1", "us.east.1"))], "none"),
        ([], "none"),
        (statement("Allow", "*"), "allow"),
    ],
)
def test_decisions(statements: Any, decision: str) -> None:
    assert decide({"Version": "2012-10-17", "Statement": statements}, ARN) == decision


@pytest.mark.parametrize("policy", [{}, {"Statement": "Allow"}, {"Statement": ["Allow"]}])
def test_what_is_no_policy(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Statement"):
        decide(policy, ARN)
