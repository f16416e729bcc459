"""The verdict: severities, exceptions for a while, comments in the source code, rules that do not work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.toolkit.gate.conftest import MODEL, MakeScan, raw
from toolkit.errors import PolicyViolationError, ToolkitError
from toolkit.gate import GateSettings, PolicyException, Severity
from toolkit.gate.judge import Judge
from toolkit.gate.rules import Rulebook
from toolkit.gate.scan import RawFinding
from toolkit.gate.sources import Block, Sources

TODAY = date(2026, 11, 22)


def nowhere(_: RawFinding) -> None:
    return None


@pytest.fixture
def judge(book: Rulebook, tmp_path: Path) -> Callable[..., Judge]:
    """Makes a judge with settings."""

    def make(*exceptions: PolicyException, fail_at: Severity = Severity.HIGH) -> Judge:
        def relative(path: Path) -> str:
            return str(path.relative_to(tmp_path)) if path.is_relative_to(tmp_path) else str(path)

        return Judge(book, GateSettings(fail_at, exceptions), TODAY, Sources(), relative)

    return make


def accept(
    rule: str = "CKV_LLM_4", resource: str = MODEL, until: date = TODAY, file: str | None = None
) -> PolicyException:
    return PolicyException(rule, resource, "trial", until, file, 12 if file else None)


def test_the_threshold_divides_violations_from_lesser_findings(
    judge: Callable[..., Judge], make_scan: MakeScan
) -> None:
    scan = make_scan(raw("CKV_LLM_5"), raw("CKV_LLM_4"))
    report = judge().report(scan, nowhere)
    assert [finding.rule.id for finding in report.violations] == ["CKV_LLM_4"]
    assert [finding.rule.id for finding in report.lesser] == ["CKV_LLM_5"]
    with pytest.raises(PolicyViolationError, match="CKV_LLM_4"):
        report.raise_for_violations()
    assert len(judge(fail_at=Severity.MEDIUM).report(scan, nowhere).violations) == 2
    judge(fail_at=Severity.CRITICAL).report(scan, nowhere).raise_for_violations()


def test_checkovs_own_rules_get_the_tables_severity_or_the_default(
    judge: Callable[..., Judge], make_scan: MakeScan
) -> None:
    report = judge().report(make_scan(raw("CKV_AWS_999"), raw("CKV_AWS_45")), nowhere)
    known, unknown = report.findings
    assert (known.rule.id, known.severity, known.rule.remedy) == (
        "CKV_AWS_45",
        Severity.CRITICAL,
        "Remove the secret.",
    )
    assert (unknown.severity, unknown.rule.name) == (Severity.MEDIUM, "what CKV_AWS_999 wants")


def test_an_exception_covers_its_rule_and_resources_until_its_last_day(
    judge: Callable[..., Judge], make_scan: MakeScan
) -> None:
    other = 'module.endpoint["qwen"].aws_sagemaker_model.this[0]'
    scan = make_scan(raw(), raw(resource=other), raw("CKV_LLM_5"))
    report = judge(accept(until=TODAY)).report(scan, nowhere)
    assert [finding.resource for finding in report.accepted] == [MODEL]
    assert report.accepted[0].accepted == "trial (until 2026-11-22)"
    assert [finding.resource for finding in report.violations] == [other]
    assert report.notes == ()

    glob = judge(accept(resource='module.endpoint["*"].aws_sagemaker_model.this[?]')).report(scan, nowhere)
    assert {finding.resource for finding in glob.accepted} == {MODEL, other}


def test_an_expired_exception_is_a_finding_as_grave_as_what_it_covered(
    judge: Callable[..., Judge], make_scan: MakeScan
) -> None:
    expired = accept(until=date(2026, 11, 21), file="terraform/environments/dev.yaml")
    report = judge(expired).report(make_scan(raw()), nowhere)
    assert [(finding.rule.id, finding.where) for finding in report.violations] == [
        ("CKV_LLM_4", MODEL),
        ("GATE_1", "terraform/environments/dev.yaml:12"),
    ]
    assert "until 2026-11-21: trial" in report.violations[1].details[0]

    mended = judge(expired).report(make_scan(), nowhere)
    assert [(finding.rule.id, finding.severity) for finding in mended.findings] == [("GATE_1", Severity.LOW)]


def test_an_exception_that_covers_nothing_is_said(judge: Callable[..., Judge], make_scan: MakeScan) -> None:
    unused = accept(resource="aws_sagemaker_model.gone", file="terraform/environments/dev.yaml")
    report = judge(unused).report(make_scan(raw()), nowhere)
    assert len(report.violations) == 1
    assert report.notes == (
        "terraform/environments/dev.yaml:12: "
        "the exception for CKV_LLM_4 on aws_sagemaker_model.gone covers nothing",
    )


def test_a_comment_in_the_block_counts_with_a_reason_only(
    judge: Callable[..., Judge], make_scan: MakeScan, tmp_path: Path
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
    report = judge().report(
        make_scan(*(raw(resource=resource) for resource in blocks)), lambda found: blocks[found.resource]
    )
    assert [(each.resource, each.accepted) for each in report.accepted] == [
        ("aws_sagemaker_model.explained", "pinned by its digest")
    ]
    assert [each.where for each in report.violations] == ["model.tf:5"]
    assert report.notes == (
        "model.tf:6: checkov:skip=CKV_LLM_4 does not count without a reason",
        "model.tf:8: checkov:skip outside of a block skips nothing",
    )


def test_a_file_that_was_not_judged_is_a_violation(
    judge: Callable[..., Judge], make_scan: MakeScan, tmp_path: Path
) -> None:
    report = judge().report(make_scan(unreadable=(tmp_path / "broken.tf",)), nowhere)
    assert [(each.rule.id, each.where) for each in report.violations] == [("GATE_2", "broken.tf")]


@pytest.mark.parametrize("rule", [None, "CKV_LLM_4", "model_revision"])
def test_without_a_rule_of_ours_there_is_no_verdict(
    judge: Callable[..., Judge], make_scan: MakeScan, rule: str | None
) -> None:
    with pytest.raises(ToolkitError) as caught:
        judge().report(make_scan(problems=((rule, "it broke"),)), nowhere)
    assert caught.value.exit_code == 1
    assert "it broke" in str(caught.value)


def test_a_rule_of_checkovs_that_fails_is_said(judge: Callable[..., Judge], make_scan: MakeScan) -> None:
    report = judge().report(make_scan(problems=(("CKV_AWS_1", "it broke"),)), nowhere)
    assert report.notes == ("it broke",)
