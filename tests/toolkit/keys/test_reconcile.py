"""Reconciliation of API keys during an apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.keys import ApiKey, Keys, reconcile, rotate

pytestmark = pytest.mark.slow

MakeKeys = Callable[..., Keys]
DECLARED = {"default": "default", "nightly": "batch"}


def plans(keys: Keys) -> dict[str, str | None]:
    return {key.name: key.usage_plan for key in keys.list()}


def test_declared_keys_are_created_once(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-once", DECLARED)
    assert len(reconcile(keys)) == 2
    assert plans(keys) == DECLARED
    values = [keys.show(name) for name in DECLARED]
    assert reconcile(keys) == []
    assert [keys.show(name) for name in DECLARED] == values


def test_a_key_follows_its_usage_plan_and_keeps_its_value(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-moved", DECLARED)
    reconcile(keys)
    value = keys.show("nightly")
    moved = replace(keys, declared={**DECLARED, "nightly": "default"})
    assert reconcile(moved) == ["moved the API key nightly to the usage plan default"]
    assert (plans(moved)["nightly"], moved.show("nightly")) == ("default", value)


def test_removed_keys_are_revoked_and_manual_keys_stay(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-gone", DECLARED)
    reconcile(keys)
    keys.create("by-hand")
    fewer = replace(keys, declared={"default": "default"})
    (line,) = reconcile(fewer)
    assert "revoked the API key nightly" in line
    assert set(plans(fewer)) == {"default", "by-hand"}
    # Once the file contains the key, the file decides.
    adopted = replace(keys, declared={"default": "default", "by-hand": "batch"})
    reconcile(adopted)
    assert plans(adopted)["by-hand"] == "batch"
    reconcile(fewer)
    assert set(plans(fewer)) == {"default"}


def test_a_key_without_usage_plan_is_attached(make_keys: MakeKeys, account: AwsAccess) -> None:
    # A key of an interrupted creation, and a replaced usage plan.
    keys = make_keys("llm-outside")
    account.apigateway.create_api_key(name="llm-outside/default", enabled=True)
    reconcile(keys)
    assert plans(keys) == {"default": "default"}


def test_a_usage_plan_removed_by_a_rollback_is_not_an_error(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-back", DECLARED, plans=("default",))
    reconcile(keys)
    assert plans(keys) == {"default": "default"}


def test_changed_keys_are_reported(make_keys: MakeKeys) -> None:
    changed: list[tuple[str, str | None]] = []

    def record(key: ApiKey) -> None:
        changed.append((key.name, key.key_id))

    keys = make_keys("llm-changed", DECLARED)
    reconcile(keys, record)
    ids = {key.name: key.key_id for key in keys.list()}
    assert dict(changed) == ids
    reconcile(keys, record)
    moved = replace(keys, declared={**DECLARED, "nightly": "default"})
    reconcile(moved, record)
    assert changed[2:] == [("nightly", ids["nightly"])]


JWT_KEYS = {"batch": f"jwt-batch-{'0' * 32}"}


def test_keys_for_callers_with_a_jwt_have_the_agreed_value(make_keys: MakeKeys, account: AwsAccess) -> None:
    without = make_keys("llm-jwt")
    keys = replace(without, declared={**without.declared, "jwt/batch": "batch"}, jwt_keys=JWT_KEYS)
    assert "created the API key jwt/batch in the usage plan batch" in reconcile(keys)
    assert reconcile(keys) == []
    (key,) = [key for key in keys.list() if key.name == "jwt/batch"]
    value = account.apigateway.get_api_key(apiKey=key.key_id, includeValue=True)["value"]
    assert (value, key.usage_plan) == (JWT_KEYS["batch"], "batch")
    # Clients cannot use it.
    for use in (keys.show, keys.to_revoke, lambda name: rotate(keys, name, lambda _: True)):
        with pytest.raises(InputError, match="stands for callers with a JWT"):
            use("jwt/batch")
    reconcile(without)
    assert plans(without) == {"default": "default"}


def test_keys_for_callers_with_a_jwt_are_revoked_alone(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-jwts")
    own = {"batch": f"jwt-batch-{'1' * 32}"}
    keys = replace(keys, declared={**keys.declared, "jwt/batch": "batch"}, jwt_keys=own)
    reconcile(keys)
    keys.revoke_jwt_keys()
    assert plans(keys) == {"default": "default"}
