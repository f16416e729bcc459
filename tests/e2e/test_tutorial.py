"""The commands of the tutorial for AWS, run in order; the account is in an embedded cloud."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.e2e.test_readme import README, blocks
from tests.support import hub as hubs
from tests.support.checkout import clean_environment, copy_checkout
from tests.support.hub import Repository
from toolkit.processes import REHEARSAL
from toolkit.rehearsal.results import StandIn

pytestmark = pytest.mark.e2e

TUTORIAL = "docs/tutorials/aws.md"
ENVIRONMENT = "terraform/environments/staging.yaml"
MODEL = "Qwen/Qwen3-8B"
REVISION = "b968826d9c46dd6066d109eabc6255188de91218"
# As the repository has it, as far as the estimate of the memory reads it.
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
}
# The edits that the page asks for, before these commands.
EDITS = {
    "toolkit validate": "sed -i"
    " -e 's/^account_id: .*/account_id: \"123456789012\"/'"
    # The provider would wait a minute for the rules.
    " -e 's/^models:/account: {lifecycle_rules: false}\\n\\n&/'"
    f" {ENVIRONMENT}",
    "toolkit rehearse": "git add --all"
    " && git -c user.name=t -c user.email=t@example.com commit --quiet --message staging"
    f" && sed -i 's/max_model_len: 16384/max_model_len: 8192/' {ENVIRONMENT}",
}


def script() -> str:
    """The commands, each with its edits before."""
    lines = "".join(blocks(TUTORIAL, aws=True)).splitlines()
    edited = [
        "\n".join([*(edit for command, edit in EDITS.items() if command in line), line]) for line in lines
    ]
    assert sum(len(text.splitlines()) - 1 for text in edited) == len(EDITS)
    return "\n".join(edited)


@pytest.fixture
def hub_url() -> Iterator[str]:
    with hubs.running() as hub:
        files = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b"weights"}
        hub.repositories[MODEL] = Repository(files, {"model.safetensors"}, REVISION)
        yield hub.url


@pytest.mark.timeout(1500)
def test_an_operator_follows_the_tutorial(tmp_path: Path, hub_url: str) -> None:
    project = copy_checkout(tmp_path / "clone")
    # The test of the README installs the toolkit.
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("toolkit", "python"):
        (programs / name).write_text(
            f'#!/bin/sh\nexec {sys.executable} {"-P -m toolkit " * (name == "toolkit")}"$@"\n'
        )
        (programs / name).chmod(0o755)
    for stamp in (".toolkit.installed", ".local.installed"):
        (project / ".venv" / stamp).touch()
    stand_in = tmp_path / "stand-in.json"
    stand_in.write_text(json.dumps(asdict(StandIn(start_seconds=1, first_token_seconds=0.01))))
    environment = clean_environment(
        **{REHEARSAL: "1"}, TOOLKIT_LOCAL_STAND_IN=str(stand_in), HF_ENDPOINT=hub_url, PYTHONPATH=str(project)
    )
    for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"]):
        subprocess.run(["git", *arguments], cwd=project, env=environment, check=True)
    try:
        result = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", f".venv/bin/toolkit local up\n{script()}\n"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    finally:
        down = [str(programs / "toolkit"), "local", "down"]
        subprocess.run(down, cwd=project, env=environment, check=True, capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rehearsal of staging: an apply would succeed" in result.stdout
    assert "rollback to 1" in result.stdout + result.stderr


def test_the_readme_has_commands_of_the_tutorial() -> None:
    def commands(page: str) -> set[str]:
        text = re.sub(r"(ENV=|--env |build/)(dev|staging)", r"\1ENV", "".join(blocks(page, aws=True)))
        text = re.sub(r" (--yes|ARGS=--yes|--to \d+)", "", text)
        return set(text.splitlines())

    only_here = {".venv/bin/toolkit iam show --env ENV sagemaker-deployer"}
    assert commands(README) - commands(TUTORIAL) == only_here
