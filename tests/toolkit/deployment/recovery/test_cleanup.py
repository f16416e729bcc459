"""The clean-up after an apply: what it may delete."""

from __future__ import annotations

from pathlib import Path

from tests.support.contexts import opened
from tests.support.front import tags
from toolkit.aws.access import AwsAccess
from toolkit.deployment.recovery import cleanup, registry


def usage_plan(account: AwsAccess, env: str, **labels: str) -> str:
    name = f"llm-{env}"
    return account.apigateway.create_usage_plan(name=name, tags={**tags(env), **labels})["id"]


def usage_plans(account: AwsAccess) -> set[str]:
    return {plan["id"] for plan in account.apigateway.get_usage_plans(limit=500)["items"]}


def test_usage_plans_of_another_project_stay(account: AwsAccess, tmp_path: Path) -> None:
    """Two projects of an account may each have an environment `shared`."""
    context = opened(tmp_path, account, env="shared").context
    owned, foreign = usage_plan(account, "shared"), usage_plan(account, "shared", deployment="chat-shared")
    assert [orphan.id for orphan in registry.find_orphans(context, {})] == [owned]
    cleanup.remove_superseded(context, seconds=0)
    assert usage_plans(account) & {owned, foreign} == {foreign}
