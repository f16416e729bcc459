"""Resources tainted by an interruption although their creation finished."""

from __future__ import annotations

from pathlib import Path

from toolkit.deployment.recovery import imports
from toolkit.terraform import Change, Counts, Plan


def test_atomic_resources_are_spuriously_tainted() -> None:
    model = 'module.endpoint["m"].aws_sagemaker_model.this["0e5fed2e"]'
    changes = (
        Change(model, "replace", "aws_sagemaker_model", "tainted"),
        Change("b", "replace", "aws_sagemaker_endpoint_configuration", "cannot_update"),
        Change("c", "create", "aws_sagemaker_model", "tainted"),
        # It may serve, and requests would fail until its replacement does.
        Change("d", "replace", "aws_sagemaker_endpoint", "tainted"),
        Change("e", "replace", "aws_lambda_function", "tainted"),
    )
    plan = Plan(Path("plan"), has_changes=True, destroy=False, counts=Counts(), changes=changes, drift=())
    assert imports.spuriously_tainted(plan) == [model, "d"]
