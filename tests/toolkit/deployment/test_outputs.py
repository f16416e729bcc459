"""Outputs of incomplete applies and of other versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.toolkit.test_documents import OUTPUTS
from toolkit.deployment import outputs
from toolkit.errors import PreflightError, TerraformError
from toolkit.terraform.state_file import State

CONTEXT: Any = SimpleNamespace(
    state=State(),
    state_uri="s3://bucket/key",
    environment=SimpleNamespace(name="dev", account_id="1"),
    access=SimpleNamespace(endpoint_url=None),
)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "is not deployed"),
        ({"models": {"m": {"endpoint_name": "e"}}, "region": "r"}, "is not fully deployed"),
        ({"models": {"m": {"no_such_member": 1}}, "region": "r"}, "is not fully deployed"),
        # Terraform stores what an incomplete apply leaves unknown as null.
        ({**OUTPUTS, "api_id": None}, "is not fully deployed"),
    ],
)
def test_unreadable_outputs_have_a_remedy(
    monkeypatch: pytest.MonkeyPatch, raw: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(CONTEXT, "state", State(outputs=raw))
    with pytest.raises(PreflightError, match=message) as caught:
        outputs.read(CONTEXT)
    assert caught.value.remedy is not None
    assert caught.value.remedy.endswith("make apply ENV=dev")


def test_null_may_be_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONTEXT, "state", State(outputs={**OUTPUTS, "api_domain_url": None}))
    assert outputs.read(CONTEXT).models["a"].instance_types == {"AllTraffic": None}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("value", [7, [], {"a": 7}])
def test_a_damaged_value_is_damage_of_the_state(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setattr(CONTEXT, "state", State(outputs={**OUTPUTS, name: value}))
    with pytest.raises(TerraformError, match="cannot read the state") as caught:
        outputs.read(CONTEXT)
    assert caught.value.where == "s3://bucket/key"
    assert caught.value.details[0].startswith(f"outputs: {name}")
