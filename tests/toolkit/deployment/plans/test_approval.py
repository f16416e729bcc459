"""Approval of plans by `--allow-destroy` and by the user."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.console import Console
from toolkit.cost.estimate import Estimate, Item
from toolkit.deployment.plans import approval
from toolkit.errors import InputError, InterruptedByUserError, PolicyViolationError

ENDPOINT = "aws_sagemaker_endpoint"


def context(*, protected: bool = False) -> Any:
    return SimpleNamespace(environment=SimpleNamespace(name="dev", protected=protected, file="dev.yaml"))


def summary(*, loses_state: bool = True, removes: bool = True, policy: Any = None, cost: Any = None) -> Any:
    change = SimpleNamespace(
        address="endpoint",
        type=ENDPOINT,
        kind="endpoint",
        name="e",
        old_name=None,
        loses_state=loses_state,
        removes=removes,
    )
    return SimpleNamespace(
        policy=policy, cost=cost, changes=(change,), destructive_changes=[("e stops serving", change)]
    )


def test_losing_state_needs_allow_destroy() -> None:
    with pytest.raises(InputError, match="destroys or replaces 1 resource") as caught:
        approval.require_allowed(context(), summary(), None)
    assert caught.value.details == ("e stops serving",)
    assert caught.value.remedy == "to allow it, pass --allow-destroy dev"
    approval.require_allowed(context(), summary(), "dev")


def test_a_plan_above_the_ceiling_of_the_costs_is_refused() -> None:
    item = Item("chat", "2 x ml.g6.2xlarge", 2.444, 2.444)
    approval.require_allowed(
        context(), summary(loses_state=False, cost=Estimate("us-east-1", (item,), 1785)), None
    )
    too_much = summary(loses_state=False, cost=Estimate("us-east-1", (item,), 1784))
    with pytest.raises(PolicyViolationError, match=r"\$1,784\.12 per month"):
        approval.require_allowed(context(), too_much, "dev")


def test_allow_destroy_must_name_the_environment() -> None:
    with pytest.raises(InputError, match="names prod, not dev"):
        approval.require_allowed(context(), summary(loses_state=False), "prod")


def test_intended_and_failed_resources_may_be_lost() -> None:
    approval.require_allowed(context(), summary(), None, intended=[ENDPOINT])
    approval.require_allowed(context(), summary(), None, failed=["endpoint"])


def test_a_protected_environment_loses_nothing_unasked() -> None:
    stateless = summary(loses_state=False)
    approval.require_allowed(context(), stateless, None)
    with pytest.raises(InputError, match="dev is protected"):
        approval.require_allowed(context(protected=True), stateless, None)
    with pytest.raises(InputError, match="dev is protected"):
        approval.require_unprotected(context(protected=True), None)
    approval.require_unprotected(context(protected=True), "dev")


def test_allow_destroy_does_not_override_a_policy() -> None:
    def refuse() -> None:
        raise PolicyViolationError("forbidden")

    with pytest.raises(PolicyViolationError):
        approval.require_allowed(
            context(), summary(policy=SimpleNamespace(raise_for_violations=refuse)), "dev"
        )


def test_confirmation_without_a_terminal_needs_yes() -> None:
    console = Console(err=io.StringIO(), interactive=False)
    with pytest.raises(InputError, match="stdin is not a terminal"):
        approval.confirm(console, "Apply this?", yes=False)
    approval.confirm(console, "Apply this?", yes=True)


@pytest.mark.parametrize(("typed", "approved"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_the_default_answer_is_no(monkeypatch: pytest.MonkeyPatch, typed: str, approved: bool) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    console = Console(err=io.StringIO(), interactive=True)
    if approved:
        approval.confirm(console, "Apply this?", yes=False)
        return
    with pytest.raises(InterruptedByUserError):
        approval.confirm(console, "Apply this?", yes=False)
