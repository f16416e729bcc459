"""docs/how-to/pipelines.md: commands exist, environment files are valid, comments are found again."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from toolkit.environment.account import Pipeline
from toolkit.report.markdown import marker

PAGE = (ROOT / "docs" / "how-to" / "pipelines.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def scripts(value: Any) -> Iterator[str]:
    """Lines that a pipeline runs in a shell."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "run":
                yield from inner.splitlines()
            elif name in ("script", "before_script"):
                yield from inner
            else:
                yield from scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scripts(inner)


COMMANDS = sorted({line for block in BLOCKS for line in scripts(block)})


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith(".venv/bin/toolkit ")])
def test_commands_and_their_options_exist(line: str) -> None:
    words = shlex.split(line.partition(" >>")[0])
    result = subprocess.run(
        [sys.executable, "-m", "toolkit", words[1], "--help"], capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"--[a-z-]+", result.stdout))
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_targets_exist(line: str) -> None:
    command = ["make", "--dry-run", *shlex.split(line)[1:]]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


def test_both_kinds_of_commands_were_found() -> None:
    assert any("toolkit drift" in line for line in COMMANDS)
    assert any(line.startswith("make plan") for line in COMMANDS)


def test_roles_are_read() -> None:
    roles = [
        role for block in BLOCKS if "account" in block for role in block["account"]["ci"]["roles"].values()
    ]
    assert [Pipeline.model_validate_json(json.dumps(role)) for role in roles]
    assert len(roles) == 4


def test_each_job_assumes_a_declared_role() -> None:
    """Jobs that run code of pull requests only plan; sessions of an apply outlast long rollouts."""
    declared, github = BLOCKS[0]["account"]["ci"]["roles"], BLOCKS[1]
    steps = {
        job: step["with"]
        for job, content in github["jobs"].items()
        for step in content["steps"]
        if "role-to-assume" in step.get("with", {})
    }
    roles = {job: declared[step["role-to-assume"].rpartition("-ci-")[2]] for job, step in steps.items()}
    assert {job: role["policies"] for job, role in roles.items() if role["github"].get("pull_requests")} == {
        "plan": ["planner"],
        "drift": ["planner"],
    }
    module = (ROOT / "terraform" / "modules" / "ci_roles" / "role.tf").read_text()
    (longest,) = re.findall(r"max_session_duration = (\d+)", module)
    # Without this setting, the action asks for an hour.
    assert 3600 < steps["apply"]["role-duration-seconds"] <= int(longest)


def test_the_comment_is_found_by_its_marker() -> None:
    assert marker("$ENV") in PAGE.replace('\\"', '"')
