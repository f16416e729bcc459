"""The gate with a real plan and real checkov."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import FIXTURES, SECRETS, fixtures_plan, plan_scan, quiet
from toolkit.errors import ToolkitError
from toolkit.gate import Gate, GateSettings, Report, Severity, data, junit, sarif, text
from toolkit.project import Project, cache_dir

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report() -> Report:
    """The report on the fixtures."""
    with Gate(Project(ROOT), quiet(), GateSettings()) as gate:
        return gate.check_plan(fixtures_plan(), FIXTURES)


def locations(report: Report, rule: str) -> dict[str, str]:
    return {finding.resource: finding.where for finding in report.findings if finding.rule.id == rule}


def test_findings_of_a_plan_have_file_and_line(report: Report) -> None:
    fixtures = "tests/policies/checkov/fixtures"
    assert locations(report, "CKV_LLM_16") == {
        "aws_cloudwatch_log_group.fail_retention": f"{fixtures}/log_group_retention.tf:11",
        'aws_cloudwatch_log_group.fail_null_retention["new"]': f"{fixtures}/unset.tf:51",
    }
    fleet = locations(report, "CKV2_LLM_2")
    assert fleet['module.fleet["fail"].aws_sagemaker_endpoint.this'] == f"{fixtures}/fleet/main.tf:9"


def test_a_null_argument_is_a_violation_in_the_first_plan(report: Report) -> None:
    strict = dataclasses.replace(report, fail_at=Severity.MEDIUM)
    unset = 'aws_sagemaker_endpoint_configuration.fail_null_key["new"]'
    violations = {finding.rule.id for finding in strict.violations if finding.resource == unset}
    assert violations >= {"CKV_LLM_1", "CKV_LLM_6", "CKV_LLM_7"}


def test_a_skip_comment_with_a_reason_accepts_a_finding(report: Report) -> None:
    accepted = {finding.resource: finding.accepted for finding in report.accepted}
    assert accepted == {"aws_cloudwatch_log_group.skipped": "kept for the tests"}


def test_protection_in_a_module_is_recognized(report: Report) -> None:
    # checkov alone misses it. If this ever fails, resolve_references is no longer needed.
    without_references = {
        finding.resource for finding in plan_scan().findings if finding.rule == "CKV2_AWS_6"
    }
    assert without_references == {"aws_s3_bucket.protected", "aws_s3_bucket.unprotected"}
    assert set(locations(report, "CKV2_AWS_6")) == {"aws_s3_bucket.unprotected"}


def test_no_format_shows_values_of_resources(report: Report) -> None:
    assert all(secret in json.dumps(fixtures_plan()) for secret in SECRETS)
    formats = (
        text.render(report),
        json.dumps(data.render(report)),
        json.dumps(sarif.render(report, "0.1.0")),
        junit.render(report),
    )
    for rendered in formats:
        assert not [secret for secret in SECRETS if secret in rendered]
        assert "HF_TOKEN" in rendered


def test_a_users_checkov_settings_disable_no_rule(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = "skip-check: [CKV_LLM_16]\nframework: [secrets]\n"
    (tmp_path / ".checkov.yaml").write_text(settings)
    (tmp_path / "checkov").mkdir()
    (tmp_path / "checkov" / "__init__.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(cache_dir()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    with Gate(Project(ROOT), quiet(), GateSettings()) as gate:
        with_settings = gate.check_plan(fixtures_plan(), FIXTURES)
    assert with_settings.findings == report.findings


def test_source_code_is_checked_with_lines_and_comments() -> None:
    with Gate(Project(ROOT), quiet(), GateSettings(fail_at=Severity.MEDIUM)) as gate:
        report = gate.check_directory(FIXTURES)
    fixtures = "tests/policies/checkov/fixtures"
    assert set(locations(report, "CKV_LLM_16").values()) == {
        f"{fixtures}/log_group_retention.tf:11",
        f"{fixtures}/unset.tf:51",
    }
    assert [finding.resource for finding in report.accepted] == ["aws_cloudwatch_log_group.skipped"]


def test_a_file_that_checkov_cannot_parse_is_a_violation(tmp_path: Path) -> None:
    (tmp_path / "broken.tf").write_text('resource "aws_cloudwatch_log_group" {{\n')
    with Gate(Project(ROOT), quiet(), GateSettings()) as gate:
        report = gate.check_directory(tmp_path)
    assert [finding.rule.id for finding in report.violations] == ["GATE_2"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a copy of the rules."""
    root = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "policies", root / "policies", ignore=ignored)
    shutil.copytree(ROOT / "toolkit" / "serving", root / "toolkit" / "serving", ignore=ignored)
    (root / "requirements").symlink_to(ROOT / "requirements")
    (root / "terraform" / "stacks").mkdir(parents=True)
    return Project(root)


RAISES = """
from checkov.common.models.enums import CheckCategories
from log_group_retention import LogGroupRetention

class Raises(LogGroupRetention):
    id = "CKV_LLM_99"
    def problems(self, conf):
        raise RuntimeError("oh")

check = Raises()
"""


def test_broken_rules_fail_the_check(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # This setting makes checkov hide failures of rules.
    monkeypatch.setenv("CHECKOV_CHECK_FAIL_LEVEL", "WARNING")
    directory = project.root / "policies" / "checkov"
    (directory / "broken_syntax.py").write_text("def\n")
    (directory / "broken_raises.py").write_text(RAISES)
    (directory / "broken_metadata.yaml").write_text("metadata: {id: CKV2_LLM_9}\n")
    without_severity = (directory / "function_url_auth.py").read_text().replace('severity = "CRITICAL"', "")
    (directory / "no_severity.py").write_text(without_severity.replace("CKV_LLM_11", "CKV_LLM_98"))
    without_severity = (directory / "endpoint_autoscaling.yaml").read_text().replace("severity: MEDIUM", "")
    (directory / "no_severity.yaml").write_text(without_severity.replace("CKV2_LLM_2", "CKV2_LLM_98"))
    shutil.copy(directory / "endpoint_autoscaling.yaml", directory / "twice_yaml.yaml")
    shutil.copy(directory / "function_url_auth.py", directory / "twice_python.py")
    with Gate(project, quiet(), GateSettings()) as gate, pytest.raises(ToolkitError) as caught:
        gate.check_plan(fixtures_plan())
    error = str(caught.value)
    for problem in (
        "cannot load broken_syntax.py:1: invalid syntax",
        "cannot load no_severity.py:22: 'FunctionUrlAuth' object has no attribute 'severity'",
        "cannot load no_severity.yaml: CKV2_LLM_98 has no severity",
        "Failed to run check CKV_LLM_99",
        "broken_metadata.yaml is missing required fields metadata.name",
        "_autoscaling.yaml" if "endpoint_autoscaling.yaml" in error else "twice_yaml.yaml",
        "several rules have the id CKV_LLM_11",
    ):
        assert problem in error


def test_a_syntax_error_in_yaml_is_reported_with_its_line(project: Project) -> None:
    (project.root / "policies" / "checkov" / "broken.yaml").write_text("metadata:\n  name: [x\n  id: y\n")
    with Gate(project, quiet(), GateSettings()) as gate, pytest.raises(ToolkitError) as caught:
        gate.check_plan(fixtures_plan())
    assert caught.value.details == ("cannot load broken.yaml:3: expected ',' or ']', but got ':'",)


def test_rules_without_the_package_file_fail_the_check(project: Project) -> None:
    (project.root / "policies" / "checkov" / "__init__.py").unlink()
    with Gate(project, quiet(), GateSettings()) as gate, pytest.raises(ToolkitError) as caught:
        gate.check_plan(fixtures_plan())
    assert "cannot load log_group_retention.py" in str(caught.value)
