"""Handwritten scans and rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.gate.rules import Builtin, Rule, Rulebook, Severity
from toolkit.gate.scan import RawFinding, Scan

MODEL = 'module.endpoint["llama-3.1"].aws_sagemaker_model.this[0]'

OURS = Rule(
    id="CKV_LLM_4",
    name="A model is pinned",
    severity=Severity.HIGH,
    reason="Weights change.",
    remedy="Pin it.",
    resources=("aws_sagemaker_model",),
)
LESSER = Rule(
    id="CKV_LLM_5",
    name="A rollout is watched",
    severity=Severity.MEDIUM,
    reason="A bad release stays.",
    remedy="Name alarms.",
    resources=("aws_sagemaker_endpoint",),
)

MakeScan = Callable[..., Scan]


def raw(rule: str = "CKV_LLM_4", resource: str = MODEL, *details: str, file: str = "plan.json") -> RawFinding:
    """A failed check."""
    return RawFinding(rule, f"name of {rule}", resource, details, Path(file), (0, 0))


@pytest.fixture
def rulebook() -> Rulebook:
    """Two rules of the project, and a described one of checkov's."""
    return Rulebook(
        (OURS, LESSER), {"CKV_AWS_45": Builtin(Severity.CRITICAL, "Remove the secret.")}, Severity.MEDIUM
    )


@pytest.fixture
def make_scan() -> MakeScan:
    """Returns a function that builds a scan from findings."""

    def make(
        *findings: RawFinding,
        unreadable: tuple[Path, ...] = (),
        problems: tuple[tuple[str | None, str], ...] = (),
        passed: tuple[tuple[str, str], ...] = (),
    ) -> Scan:
        return Scan(
            checkov="3.3.0",
            rules=(OURS, LESSER),
            findings=findings,
            passed=passed,
            unreadable=unreadable,
            resources=7,
            problems=problems,
        )

    return make
