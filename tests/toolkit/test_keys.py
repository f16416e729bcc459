"""API keys, against API Gateway's control plane."""

from __future__ import annotations

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.keys import Keys

pytestmark = pytest.mark.slow


def keys_in_a_plan(account: AwsAccess, prefix: str) -> Keys:
    plan = account.apigateway.create_usage_plan(name=prefix)
    return Keys(account, prefix, plan["id"], tags={"team": "platform"})


def test_a_key_is_made_shown_and_revoked(account: AwsAccess) -> None:
    keys = keys_in_a_plan(account, "llm-made")
    keys.create("ci")
    assert [key.name for key in keys.list()] == ["ci"]
    assert len(keys.show("ci")) >= 20
    with pytest.raises(InputError):
        keys.create("ci")
    keys.revoke("ci")
    assert keys.list() == []
    with pytest.raises(InputError, match="no key named ci"):
        keys.show("ci")


def test_the_default_key_is_made_once(account: AwsAccess) -> None:
    keys = keys_in_a_plan(account, "llm-default")
    assert keys.ensure_default()
    value = keys.show("default")
    assert not keys.ensure_default()
    assert keys.show("default") == value


def test_a_default_key_outside_the_plan_is_brought_in(account: AwsAccess) -> None:
    # What an interrupted creation leaves, and a usage plan that was replaced.
    keys = keys_in_a_plan(account, "llm-outside")
    account.apigateway.create_api_key(name="llm-outside/default", enabled=True)
    assert keys.ensure_default()
    attached = account.apigateway.get_usage_plan_keys(usagePlanId=keys.usage_plan_id)["items"]
    assert [item["name"] for item in attached] == ["llm-outside/default"]


def test_another_environments_keys_are_left_alone(account: AwsAccess) -> None:
    dev, dev_b = keys_in_a_plan(account, "llm-dev"), keys_in_a_plan(account, "llm-dev-b")
    dev.create("default")
    dev_b.create("default")
    assert dev.revoke_all() == 1
    assert [key.name for key in dev_b.list()] == ["default"]
