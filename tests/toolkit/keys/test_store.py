"""API keys, against API Gateway's control plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.keys import Keys

pytestmark = pytest.mark.slow

MakeKeys = Callable[..., Keys]


def test_a_key_is_created_shown_and_revoked(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-made")
    keys.create("ci")
    (key,) = keys.list()
    assert (key.name, key.usage_plan, key.enabled, key.declared, key.old) == (
        "ci",
        "default",
        True,
        False,
        False,
    )
    # The authorizer reads the name there.
    assert keys.show("ci").startswith("sk-ci-") and len(keys.show("ci")) == 46
    with pytest.raises(InputError, match="exists"):
        keys.create("ci")
    keys.delete(*keys.to_revoke("ci"))
    assert keys.list() == []
    with pytest.raises(InputError, match="no key named ci"):
        keys.show("ci")


@pytest.mark.parametrize("name", ["", "Team", "a/b", "-a", "a" * 41])
def test_invalid_key_names_are_rejected(make_keys: MakeKeys, name: str) -> None:
    with pytest.raises(InputError, match="invalid key name"):
        make_keys("llm-names").create(name)


def test_without_usage_plans_there_are_no_keys(make_keys: MakeKeys) -> None:
    with pytest.raises(InputError, match="this API has no keys"):
        make_keys("llm-iam", plans=()).create("ci")


def test_keys_of_other_environments_are_ignored(make_keys: MakeKeys) -> None:
    dev, dev_b = make_keys("llm-dev"), make_keys("llm-dev-b")
    dev.create("default")
    dev_b.create("default")
    # A key is listed even without usage plans.
    assert replace(dev, usage_plan_ids={}).revoke_all() == 1
    assert [key.name for key in dev_b.list()] == ["default"]


def test_a_key_has_the_environments_tags(make_keys: MakeKeys, account: AwsAccess) -> None:
    key = make_keys("llm-tags").create("ci")
    tags = account.apigateway.get_api_key(apiKey=key.key_id)["tags"]
    # IAM policies match the tag `deployment`.
    assert tags == {"team": "platform", "deployment": "llm-tags"}
