"""A report as text, JSON, SARIF and JUnit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.toolkit.gate.conftest import LESSER, MODEL, OURS
from toolkit.gate import Finding, Report, Severity, data, junit, sarif, text

OTHER = 'module.endpoint["qwen"].aws_sagemaker_model.this[0]'
FILE = "terraform/modules/a model/model.tf"


@pytest.fixture
def report() -> Report:
    return Report(
        findings=(
            Finding(OURS, MODEL, ("HF_MODEL_ID without a commit",), FILE, 3),
            Finding(OURS, OTHER, ("SM_VLLM_MODEL <\x07> & more",), FILE, 3),
            Finding(LESSER, "aws_sagemaker_endpoint.this"),
        ),
        accepted=(Finding(LESSER, "aws_sagemaker_endpoint.old", accepted="leaves soon (until 2026-12-31)"),),
        passed=((OURS, "aws_sagemaker_model.good"),),
        notes=("a remark",),
        fail_at=Severity.HIGH,
        resources=9,
        rules=(OURS, LESSER),
        checkov="3.3.0",
    )


def test_text_groups_instances_and_shows_reason_and_remedy(report: Report) -> None:
    assert text.render(report) == "\n".join(
        [
            "terraform/modules/a model/model.tf:3: high CKV_LLM_4 A model is pinned",
            f"    {MODEL}",
            "      HF_MODEL_ID without a commit",
            f"    {OTHER}",
            "      SM_VLLM_MODEL <\x07> & more",
            "    why: Weights change.",
            "    → Pin it.",
            "",
            "Below high:",
            "  aws_sagemaker_endpoint.this: medium CKV_LLM_5 A rollout is watched",
            "",
            "note: a remark",
            "",
            "9 resources checked: 2 violations, 1 finding below high, 1 accepted",
        ]
    )


def test_json_contains_all_of_a_finding(report: Report) -> None:
    rendered = data.render(report)
    assert rendered["passed"] is False
    assert rendered["findings"][0] == {
        "rule": "CKV_LLM_4",
        "name": "A model is pinned",
        "severity": "high",
        "resource": MODEL,
        "details": ["HF_MODEL_ID without a commit"],
        "file": FILE,
        "line": 3,
        "reason": "Weights change.",
        "remedy": "Pin it.",
        "accepted": None,
    }
    assert rendered["accepted"][0]["accepted"] == "leaves soon (until 2026-12-31)"


def test_sarif_results_refer_to_rules_and_have_messages(report: Report) -> None:
    log = sarif.render(report, "0.1.0")
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert len(run["results"]) == 4
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]


def test_sarif_has_locations_and_suppressions(report: Report) -> None:
    first, _, without_file, accepted = sarif.render(report, "0.1.0")["runs"][0]["results"]
    assert first["locations"][0]["physicalLocation"] == {
        # A relative reference (RFC 3986).
        "artifactLocation": {"uri": "terraform/modules/a%20model/model.tf"},
        "region": {"startLine": 3},
    }
    assert "physicalLocation" not in without_file["locations"][0]
    assert accepted["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "leaves soon (until 2026-12-31)"}
    ]
    assert "suppressions" not in first


def test_sarif_fingerprints_survive_moved_lines(report: Report) -> None:
    def prints(of: Report) -> list[str]:
        results = sarif.render(of, "0.1.0")["runs"][0]["results"]
        return [result["partialFingerprints"]["resource/v1"] for result in results]

    without_lines = tuple(Finding(finding.rule, finding.resource) for finding in report.findings)
    moved = dataclasses.replace(report, findings=without_lines)
    assert prints(report) == prints(moved)
    assert len(set(prints(report))) == 4


def test_junit_counts_and_classifies_findings(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(junit.render(report), encoding="utf-8")
    (suite,) = ET.parse(file).getroot()  # noqa: S314 - our own
    assert suite.attrib == {
        "name": "toolkit policy check",
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    outcomes = [
        (case.get("classname"), case.get("name"), [element.tag for element in case]) for case in suite
    ]
    assert outcomes == [
        ("CKV_LLM_4", MODEL, ["failure"]),
        ("CKV_LLM_4", OTHER, ["failure"]),
        ("CKV_LLM_5", "aws_sagemaker_endpoint.this", ["system-out"]),
        ("CKV_LLM_5", "aws_sagemaker_endpoint.old", ["skipped"]),
        ("CKV_LLM_4", "aws_sagemaker_model.good", []),
    ]
    failure = suite[1][0]
    assert failure.get("type") == "high"
    # XML cannot represent the bell character.
    assert "SM_VLLM_MODEL <\ufffd> & more" in (failure.text or "")
    assert "Pin it." in (failure.text or "")
