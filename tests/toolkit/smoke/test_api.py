"""Requests to the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
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
