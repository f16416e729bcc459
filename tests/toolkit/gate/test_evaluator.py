"""Evaluation of scans: severities, exceptions, skip comments, broken rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.toolkit.gate.conftest import MODEL, MakeScan, raw
from toolkit.errors import PolicyViolationError, ToolkitError
from toolkit.gate import GateSettings, PolicyException, Severity
from toolkit.gate.evaluator import Evaluator
from toolkit.gate.rules import Rulebook
from toolkit.gate.scan import RawFinding
from toolkit.gate.sources import Block, Sources

TODAY = date(2026, 11, 22)


def no_location(_: RawFinding) -> None:
    return None


@pytest.fixture
def evaluator(rulebook: Rulebook, tmp_path: Path) -> Callable[..., Evaluator]:
    """Returns a function that builds an evaluator."""

    def make(*exceptions: PolicyException, fail_at: Severity = Severity.HIGH) -> Evaluator:
        def relative(path: Path) -> str:
            return str(path.relative_to(tmp_path)) if path.is_relative_to(tmp_path) else str(path)

        return Evaluator(rulebook, GateSettings(fail_at, exceptions), TODAY, Sources(), relative)

    return make


def accept(
    rule: str = "CKV_LLM_4", resource: str = MODEL, until: date = TODAY, file: str | None = None
) -> PolicyException:
    return PolicyException(rule, resource, "trial", until, file, 12 if file else None)


def test_findings_at_or_above_the_threshold_are_violations(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan
) -> None:
    scan = make_scan(raw("CKV_LLM_5"), raw("CKV_LLM_4"))
    report = evaluator().report(scan, no_location)
    assert [finding.rule.id for finding in report.violations] == ["CKV_LLM_4"]
    assert [finding.rule.id for finding in report.lesser] == ["CKV_LLM_5"]
    with pytest.raises(PolicyViolationError, match="CKV_LLM_4"):
        report.raise_for_violations()
    assert len(evaluator(fail_at=Severity.MEDIUM).report(scan, no_location).violations) == 2
    evaluator(fail_at=Severity.CRITICAL).report(scan, no_location).raise_for_violations()


def test_builtin_rules_have_the_tables_severity_or_the_default(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan
) -> None:
    report = evaluator().report(make_scan(raw("CKV_AWS_999"), raw("CKV_AWS_45")), no_location)
    builtin, other = report.findings
    assert (builtin.rule.id, builtin.severity, builtin.rule.remedy) == (
        "CKV_AWS_45",
        Severity.CRITICAL,
        "Remove the secret.",
    )
    assert (other.severity, other.rule.name) == (Severity.MEDIUM, "name of CKV_AWS_999")


def test_an_exception_accepts_findings_until_its_last_day(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan
) -> None:
    other = 'module.endpoint["qwen"].aws_sagemaker_model.this[0]'
    scan = make_scan(raw(), raw(resource=other), raw("CKV_LLM_5"))
    report = evaluator(accept(until=TODAY)).report(scan, no_location)
    assert [finding.resource for finding in report.accepted] == [MODEL]
    assert report.accepted[0].accepted == "trial (until 2026-11-22)"
    assert [finding.resource for finding in report.violations] == [other]
    assert report.notes == ()

    glob = evaluator(accept(resource='module.endpoint["*"].aws_sagemaker_model.this[?]')).report(
        scan, no_location
    )
    assert {finding.resource for finding in glob.accepted} == {MODEL, other}


def test_an_expired_exception_is_as_severe_as_what_it_covered(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan
) -> None:
    expired = accept(until=date(2026, 11, 21), file="terraform/environments/dev.yaml")
    report = evaluator(expired).report(make_scan(raw()), no_location)
    assert [(finding.rule.id, finding.where) for finding in report.violations] == [
        ("CKV_LLM_4", MODEL),
        ("GATE_1", "terraform/environments/dev.yaml:12"),
    ]
    assert "until 2026-11-21: trial" in report.violations[1].details[0]

    fixed = evaluator(expired).report(make_scan(), no_location)
    assert [(finding.rule.id, finding.severity) for finding in fixed.findings] == [("GATE_1", Severity.LOW)]


def test_an_exception_that_matches_nothing_is_noted(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan
) -> None:
    unused = accept(resource="aws_sagemaker_model.gone", file="terraform/environments/dev.yaml")
    report = evaluator(unused).report(make_scan(raw()), no_location)
    assert len(report.violations) == 1
    assert report.notes == (
        "terraform/environments/dev.yaml:12: "
        "the exception for CKV_LLM_4 on aws_sagemaker_model.gone matches no finding",
    )


def test_only_skip_comments_with_a_reason_in_a_block_count(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan, tmp_path: Path
) -> None:
    file = tmp_path / "model.tf"
    file.write_text(
        'resource "aws_sagemaker_model" "explained" {\n'
        "  #checkov:skip=CKV_LLM_5,CKV_LLM_4:pinned by its digest\n"
        "}\n"
        "\n"
        'resource "aws_sagemaker_model" "bare" {\n'
        "  #checkov:skip=CKV_LLM_4\n"
        "}\n"
        "#checkov:skip=CKV_LLM_4:outside\n"
    )
    blocks = {
        "aws_sagemaker_model.explained": Block(file, 1, 3),
        "aws_sagemaker_model.bare": Block(file, 5, 7),
    }
    report = evaluator().report(
        make_scan(*(raw(resource=resource) for resource in blocks)), lambda finding: blocks[finding.resource]
    )
    assert [(finding.resource, finding.accepted) for finding in report.accepted] == [
        ("aws_sagemaker_model.explained", "pinned by its digest")
    ]
    assert [finding.where for finding in report.violations] == ["model.tf:5"]
    assert report.notes == (
        "model.tf:6: checkov:skip=CKV_LLM_4 is ignored: it has no reason",
        "model.tf:8: checkov:skip is ignored: it is outside of a block",
    )


def test_an_unreadable_file_is_a_violation(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan, tmp_path: Path
) -> None:
    report = evaluator().report(make_scan(unreadable=(tmp_path / "broken.tf",)), no_location)
    assert [(finding.rule.id, finding.where) for finding in report.violations] == [("GATE_2", "broken.tf")]


@pytest.mark.parametrize("rule", [None, "CKV_LLM_4", "model_revision"])
def test_a_broken_rule_of_the_project_is_an_error(
    evaluator: Callable[..., Evaluator], make_scan: MakeScan, rule: str | None
) -> None:
    with pytest.raises(ToolkitError) as caught:
        evaluator().report(make_scan(problems=((rule, "it broke"),)), no_location)
    assert caught.value.exit_code == 1
    assert "it broke" in str(caught.value)


def test_a_broken_builtin_rule_is_noted(evaluator: Callable[..., Evaluator], make_scan: MakeScan) -> None:
    report = evaluator().report(make_scan(problems=(("CKV_AWS_1", "it broke"),)), no_location)
    assert report.notes == ("it broke",)
