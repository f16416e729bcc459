"""The README's commands, run in order by a newcomer: a fresh checkout, empty caches, nothing installed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment, copy_checkout

pytestmark = pytest.mark.e2e

BLOCK = re.compile(r"^```sh(?P<aws> aws)?\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)


README = "README.md"
TUTORIAL = "docs/tutorials/local.md"
WORKSHOP = "docs/how-to/workshop.zh-CN.md"


def blocks(page: str, *, aws: bool) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [match["commands"] for match in BLOCK.finditer(text) if bool(match["aws"]) is aws]


def lines(blocks: list[str]) -> set[str]:
    return {line for block in blocks for line in block.splitlines()}


def tutorial() -> str:
    """The commands of the tutorial until its last step, with what it asks the reader to do."""
    text = (ROOT / TUTORIAL).read_text(encoding="utf-8")
    (addition,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    *steps, clean_up = blocks(TUTORIAL, aws=False)
    assert clean_up == "make destroy ENV=local\n.venv/bin/toolkit local down\n"
    script = "".join(steps)
    question = "echo Hello! | .venv/bin/toolkit chat --env local\n"
    script = script.replace(".venv/bin/toolkit chat --env local\n", question)
    # The AWS CLI is not a package of this project.
    script = script.replace("aws sagemaker list-endpoints\n", 'test -n "$AWS_ENDPOINT_URL"\n')
    edit = f"cat >> terraform/environments/local.yaml <<'END'\n\n{addition}END\nmake plan"
    return script.replace("make plan", edit, 1)


@pytest.mark.timeout(900)
def test_a_newcomer_follows_the_readme(tmp_path: Path) -> None:
    project = copy_checkout(tmp_path / "clone")
    environment = clean_environment(TOOLKIT_CACHE_DIR=str(tmp_path / "cache"))
    destroy = "make destroy ENV=local\n"
    # Show what remains between `make destroy` and `local down`.
    marker = "echo AFTER-DESTROY; .venv/bin/toolkit local status --json; echo END\n"
    script = "".join(blocks(README, aws=False)).replace(destroy, f"{tutorial()}{destroy}{marker}")
    try:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == 0, result.stdout + result.stderr
    finally:
        subprocess.run(["make", "clean"], cwd=project, env=environment, check=True, capture_output=True)

    assert "curl " in result.stderr
    assert result.stdout.count("ok   smollm2:") == 7
    assert result.stdout.count("ok   API:") == 12
    assert "data: [DONE]" in result.stdout
    remaining = json.loads(result.stdout.split("AFTER-DESTROY")[1].split("END")[0])
    assert (remaining["endpoints"], remaining["functions"], remaining["apis"], remaining["processes"]) == (
        [],
        [],
        [],
        [],
    )
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("page", [README, WORKSHOP])
def test_commands_for_aws_exist(checkout: Path, page: str) -> None:
    commands = lines(blocks(page, aws=True))
    assert commands
    for command in commands:
        words = command.split()
        check = ["make", "--dry-run", *words[1:]] if words[0] == "make" else [*words[:2], "--help"]
        result = subprocess.run(check, cwd=checkout, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}: {result.stderr}"


def test_the_workshop_page_has_the_commands_of_the_readme() -> None:
    """Which the first test runs; only the question to the model is another one."""
    questions = {line for line in lines(blocks(WORKSHOP, aws=False)) if line.startswith("  -d ")}
    assert len(questions) == 1
    assert lines(blocks(WORKSHOP, aws=False)) - questions <= lines(blocks(README, aws=False))
