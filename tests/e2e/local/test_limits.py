"""Limits of API keys with OpenAI's client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.support.clock import stay_in_one_day
from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e

# No request is added back while the test runs.
ONCE_A_WEEK = 1 / 604800
Client = Callable[..., openai.OpenAI]


@pytest.fixture
def client(deployed: Deployed) -> Iterator[Client]:
    """Creates clients, each with its own key and usage plan."""
    api = deployed.toolkit.client("apigateway")
    _, _, path = deployed.outputs["api_base_url"].partition("/execute-api/")
    api_id, stage, _ = path.split("/")
    created: list[tuple[str, str]] = []

    def create(**limits: Any) -> openai.OpenAI:
        stages = [{"apiId": api_id, "stage": stage}]
        plan = api.create_usage_plan(name="limited", apiStages=stages, **limits)["id"]
        key = api.create_api_key(name=f"limited-{len(created)}", enabled=True)["id"]
        api.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
        created.append((plan, key))
        value = api.get_api_key(apiKey=key, includeValue=True)["value"]
        return openai.OpenAI(base_url=deployed.outputs["api_base_url"], api_key=value, max_retries=0)

    yield create
    for plan, key in created:
        api.delete_usage_plan_key(usagePlanId=plan, keyId=key)
        api.delete_api_key(apiKey=key)
        api.delete_usage_plan(usagePlanId=plan)


def test_requests_beyond_the_rate_are_refused(client: Client) -> None:
    throttled = client(throttle={"rateLimit": ONCE_A_WEEK, "burstLimit": 1})
    throttled.models.list()
    with pytest.raises(openai.RateLimitError) as refused:
        throttled.models.list()
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "1"


def test_requests_beyond_the_quota_are_refused(client: Client) -> None:
    stay_in_one_day()
    limited = client(quota={"limit": 1, "period": "MONTH"})
    limited.models.list()
    with pytest.raises(openai.RateLimitError) as refused:
        limited.models.list()
    assert refused.value.code == "insufficient_quota"
