"""Environments that child processes inherit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from toolkit import tool_venvs
from toolkit.processes import REHEARSAL, environment_without_secrets, is_rehearsal

# A child that is this program needs what this program needs.
OURSELVES = {"toolkit/deployment/plans/parallel.py"}


def starts_without_environment(file: Path) -> list[int]:
    """Lines that start a process with the whole environment of this one."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in (("subprocess", "run"), ("subprocess", "Popen"))
        and "env" not in [keyword.arg for keyword in node.keywords]
    ]


def test_every_child_gets_its_own_environment(checkout: Path) -> None:
    files = {file.relative_to(checkout).as_posix(): file for file in checkout.glob("toolkit/**/*.py")}
    assert set(files) >= OURSELVES
    lines_by_file = {name: starts_without_environment(file) for name, file in files.items()}
    assert {name for name, lines in lines_by_file.items() if lines} == OURSELVES


def test_secrets_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HF_TOKEN", "OPENAI_API_KEY", "DB_PASSWORD"]
    for name in (*secrets, "PIP_INDEX_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = environment_without_secrets("PIP_")
    assert not set(secrets) & set(environment)
    assert environment["HTTPS_PROXY"] == "http://proxy"
    assert environment["PIP_INDEX_TOKEN"] == "secret"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("", False), ("false", False), (None, False)],
)
def test_a_variable_switches_on(value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REHEARSAL, raising=False)
    if value is not None:
        monkeypatch.setenv(REHEARSAL, value)
    assert is_rehearsal() is expected


def test_pip_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "the-token")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-key")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > '{tmp_path}/environment'\n")
    python.chmod(0o755)
    tool_venvs._pip_install(python, tmp_path / "lock.txt", "it")
    inherited = (tmp_path / "environment").read_text()
    assert "PIP_INDEX_URL=https://index.example" in inherited
    assert "the-token" not in inherited and "the-key" not in inherited
