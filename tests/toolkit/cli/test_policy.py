"""`toolkit policy check`, as a pipeline runs it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.checkout import ROOT
from tests.support.cloud import make_checkout
from tests.support.policy import FIXTURES, fixtures_plan
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.slow

# One instance for 1.222 dollars per hour.
PRICED = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  chat:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, allow_unpinned: true}
    instance_type: ml.g6.2xlarge
    capacity: {max: 1}
cost: {ceiling_per_month: 800}
"""
LOG_GROUP = 'resource "aws_cloudwatch_log_group" "this" {\n  name = "x"\n}\n'


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(json.dumps(fixtures_plan()))
    return path


def test_violations_exit_3_and_are_in_all_reports(plan: Path, tmp_path: Path) -> None:
    files = {"--sarif": tmp_path / "new" / "report.sarif", "--junit": tmp_path / "report.xml"}
    arguments = [str(item) for pair in files.items() for item in pair]
    result = Toolkit(ROOT)("policy", "check", str(plan), "--source", str(FIXTURES), *arguments)
    assert result.returncode == 3
    assert (
        "tests/policies/checkov/fixtures/secret_variables.tf:17: critical CKV_LLM_17 "
        "Environment variables contain no secrets"
    ) in result.stdout
    assert "    → Stage gated weights" in result.stdout
    assert "policy check failed" in result.stderr
    (run,) = json.loads(files["--sarif"].read_text())["runs"]
    assert "CKV_LLM_17" in {item["ruleId"] for item in run["results"]}
    (suite,) = ET.parse(files["--junit"]).getroot()  # noqa: S314 - our own
    assert int(suite.get("failures", "0")) > 0


def test_fail_at_decides_which_findings_fail(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(LOG_GROUP)
    lenient = Toolkit(ROOT)("policy", "check", str(tmp_path), "--json")
    assert lenient.returncode == 0, lenient.stderr
    report = json.loads(lenient.stdout)
    assert report["passed"]
    assert "CKV_LLM_16" in {finding["rule"] for finding in report["findings"]}
    strict = Toolkit(ROOT)("policy", "check", str(tmp_path), "--fail-at", "medium")
    assert strict.returncode == 3


def test_costs_above_the_ceiling_of_an_environment_exit_3(tmp_path: Path) -> None:
    project = make_checkout(tmp_path / "checkout")
    (project.root / "policies").symlink_to(ROOT / "policies")
    project.environment_file("priced").write_text(PRICED)
    (tmp_path / "main.tf").write_text(LOG_GROUP)
    result = Toolkit(project.root)("policy", "check", str(tmp_path), "--env", "priced")
    assert result.returncode == 3
    assert "cost: $892.06 per month at maximum capacity is more than cost.ceiling_per_month" in result.stdout
    assert "raise cost.ceiling_per_month" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.json", None, "no such file or directory"),
        ("empty", None, "no Terraform code"),
        ("binary.tfplan", b"PK\x03\x04\xff", "neither a directory nor a plan"),
        ("list.json", b"[]", "not a plan in Terraform's JSON"),
        ("state.json", b'{"version": 4}', "not a plan in Terraform's JSON"),
        (
            "damaged.json",
            b'{"terraform_version": "1.11.4", "planned_values": {"root_module": {"resources": null}}}',
            "planned_values.root_module.resources: should be a valid array",
        ),
        (
            "plan.json",
            b'{"dangers": [], "parts": [], "policy": null}',
            "already checked it",
        ),
    ],
)
def test_an_unusable_path_is_an_input_error(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif not path.suffix:
        path.mkdir()
    result = Toolkit(ROOT)("policy", "check", str(path))
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_plan_saved_by_the_toolkit_was_already_checked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "plan", "w") as archive:
        for name in ("manifest.json", "terraform.tfplan"):
            archive.writestr(name, b"")
    result = Toolkit(ROOT)("policy", "check", str(tmp_path / "plan"))
    assert result.returncode == 2
    assert "already checked it" in result.stderr


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("--source", "missing", "not a directory"),
        ("--sarif", "", "a directory"),
        ("--junit", "plan.json/x", "a file is in place of a folder"),
    ],
)
def test_unusable_paths_fail_before_the_check(plan: Path, option: str, name: str, says: str) -> None:
    result = Toolkit(ROOT)("policy", "check", str(plan), option, str(plan.parent / name))
    assert result.returncode in (2, 4)
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
