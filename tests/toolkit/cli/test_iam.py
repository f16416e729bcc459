"""`toolkit iam show`, and the old spelling `toolkit policy iam`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.checkout import ROOT
from tests.support.cloud import make_checkout
from toolkit.cli.app import app
from toolkit.errors import InputError


@pytest.fixture(autouse=True)
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_without_a_name_all_policies_are_listed() -> None:
    result = CliRunner().invoke(app, ["iam", "show", "--env", "dev"])
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "sagemaker-deployer",
        "api-deployer",
        "planner",
        "smoke-tester",
        "viewer",
        "operator",
        "function-boundary",
    ]


def test_a_named_policy_is_printed_as_json() -> None:
    result = CliRunner().invoke(app, ["iam", "show", "--env", "dev", "viewer"])
    assert json.loads(result.stdout)["Version"] == "2012-10-17"
    assert result.stderr == ""


def test_an_unknown_policy_is_an_input_error() -> None:
    result = CliRunner().invoke(app, ["iam", "show", "--env", "dev", "administrator"])
    assert isinstance(result.exception, InputError)
    assert "choose one of sagemaker-deployer" in (result.exception.remedy or "")


def test_the_role_of_a_pipeline_is_printed_for_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = "{deploy: {github: {repository: o/r, environments: [x]}, policies: [sagemaker-deployer]}}"
    file = make_checkout(tmp_path).environment_file("x")
    models = (
        "m: {serving: {engine: vllm}, source: {hub: o/m, allow_unpinned: true}, instance_type: ml.g6.xlarge}"
    )
    text = f"name: llm\nregion: eu-west-1\naccount: {{ci: {{roles: {roles}}}}}\nmodels:\n  {models}\n"
    file.write_text(f'target: aws\naccount_id: "210987654321"\n{text}')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["iam", "role", "deploy", "--env", "x"])
    assert result.stdout.splitlines() == [
        "AWS_ROLE_ARN=arn:aws:iam::210987654321:role/llm-x-ci-deploy",
        "AWS_REGION=eu-west-1",
    ], result.exception
    missing = CliRunner().invoke(app, ["iam", "role", "plan", "--env", "x"])
    assert isinstance(missing.exception, InputError)
    assert "which has: deploy" in (missing.exception.remedy or "")


def test_the_old_spelling_prints_the_same_and_a_notice() -> None:
    new = CliRunner().invoke(app, ["iam", "show", "--env", "dev", "viewer"])
    old = CliRunner().invoke(app, ["policy", "iam", "--env", "dev", "viewer"])
    assert old.stdout == new.stdout
    assert "use `toolkit iam show`" in old.stderr


def test_the_old_spelling_is_hidden_from_help() -> None:
    assert " iam " not in CliRunner().invoke(app, ["policy", "--help"]).stdout
