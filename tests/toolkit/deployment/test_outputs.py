"""Outputs of incomplete applies and of other versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.deployment import outputs
from toolkit.errors import PreflightError
from toolkit.terraform.state_file import State

CONTEXT: Any = SimpleNamespace(
    state=State(),
    environment=SimpleNamespace(name="dev", account_id="1"),
    access=SimpleNamespace(endpoint_url=None),
)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "is not deployed"),
        ({"models": {"m": {"endpoint_name": "e"}}, "region": "r"}, "is not fully deployed"),
        ({"models": {"m": {"no_such_member": 1}}, "region": "r"}, "is not fully deployed"),
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
