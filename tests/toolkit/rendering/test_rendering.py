"""The rendered files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.environment.everything import EVERYTHING
from toolkit.environment import Environment, load
from toolkit.project import Project
from toolkit.rendering import Rendered, RenderInputs, render, render_account, with_instance_counts
from toolkit.rendering.models import model_variables

STAGED = ("smollm2", "qwen3-8b", "big", "small", "embeddings", "canary")
URIS = {name: f"s3://store/{name}/0123/" for name in STAGED}
INPUTS = RenderInputs(URIS, "../gateway.zip", "../authorizer.zip")
NAMES = ["account.tfvars", "account.tfbackend", "inference.tfvars", "inference.tfbackend"]
# What people write into a description, and more.
DESCRIPTION = 'Say "hello" for ${5}:\n\t%{ if true } 中文 \\ $${x} $$${y} 100%%{z} é'


@pytest.fixture(params=["local", "dev", "everything"])
def environment(request: pytest.FixtureRequest, checkout: Path, tmp_path: Path) -> Environment:
    if request.param != "everything":
        return load(Project(checkout), request.param)
    project = Project(tmp_path / "project")
    project.environments.mkdir(parents=True)
    project.environment_file("everything").write_text(EVERYTHING)
    return load(project, "everything")


def contents(rendered: Rendered) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in rendered.paths}


def test_the_same_input_gives_the_same_bytes(environment: Environment, tmp_path: Path) -> None:
    first = render(environment, INPUTS, tmp_path / "one" / "deeper")
    second = render(environment, INPUTS, tmp_path / "two")
    assert list(contents(first)) == NAMES
    assert contents(first) == contents(second)


def test_a_file_is_written_only_if_its_content_is_new(environment: Environment, tmp_path: Path) -> None:
    render(environment, INPUTS, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert render(environment, INPUTS, tmp_path).changed == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "inference.tfvars").write_text("edited")
    assert render(environment, INPUTS, tmp_path).changed == [tmp_path / "inference.tfvars"]


def test_a_rollout_keeps_the_fleet(
    environment: Environment, tmp_path: Path, arrives: Callable[[str], Any]
) -> None:
    def counts(variables: str) -> Any:
        return arrives(variables[variables.index("instance_counts") :].replace("instance_counts", "value", 1))

    def rendered(now: dict[str, dict[str, int]]) -> str:
        inputs = replace(INPUTS, instance_counts=now)
        return contents(render(environment, inputs, tmp_path))["inference.tfvars"].decode()

    first, grown = rendered({}), {"smollm2": {"AllTraffic": 3}}
    assert counts(first) == {}
    assert counts(rendered(grown)) == grown
    # Variables that were recorded in a release keep all else.
    assert with_instance_counts(first, grown) == rendered(grown)
    assert with_instance_counts(rendered(grown), {}) == first


def test_endpoints_can_be_left_out(environment: Environment, tmp_path: Path) -> None:
    running = contents(render(environment, INPUTS, tmp_path))["inference.tfvars"]
    paused = contents(render(environment, replace(INPUTS, paused=True), tmp_path))["inference.tfvars"]
    # Appended, so that it can also be put behind variables that were rendered earlier.
    assert paused == running + b"\npaused = true\n"


def test_the_account_alone(environment: Environment, tmp_path: Path) -> None:
    assert [path.name for path in render_account(environment, tmp_path).paths] == NAMES[:2]


def test_the_layout_is_that_of_terraform_fmt(
    environment: Environment, tmp_path: Path, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for path in render(environment, INPUTS, tmp_path).paths:
        text = path.read_text()
        assert terraform("fmt", "-", cwd=tmp_path, stdin=text).stdout == text


def test_a_description_with_everything_in_it_arrives(
    tmp_path: Path, checkout: Path, arrives: Callable[[str], Any]
) -> None:
    environment = load(Project(checkout), "local").model_copy(update={"description": DESCRIPTION})
    variables = (render(environment, INPUTS, tmp_path).paths[2]).read_text()
    line = next(line for line in variables.splitlines() if line.startswith("description"))
    assert arrives(line.replace("description", "value", 1)) == DESCRIPTION


def test_terraform_accepts_the_variables_of_both_stacks(
    environment: Environment,
    tmp_path: Path,
    checkout: Path,
    terraform: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The stacks' own declarations and validations judge, without what they would build."""
    uris = {name: f"s3://{environment.model_store_bucket}/{name}/0123/" for name in environment.models}
    inputs = RenderInputs(uris, "../gateway.zip", "../authorizer.zip")
    for stack in ("account", "inference"):
        directory = tmp_path / stack
        directory.mkdir()
        declared = (checkout / "terraform" / "stacks" / stack / "variables.tf").read_text()
        names = [line.split('"')[1] for line in declared.splitlines() if line.startswith("variable ")]
        outputs = "".join(f'output "{name}" {{\n  value = var.{name}\n}}\n' for name in names)
        (directory / "main.tf").write_text(declared + outputs)
        render(environment, inputs, directory)
        applied = terraform("apply", "-auto-approve", "-no-color", f"-var-file={stack}.tfvars", cwd=directory)
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert "undeclared" not in applied.stdout + applied.stderr
    arrived = json.loads(terraform("output", "-json", cwd=directory).stdout)["models"]["value"]
    for name in environment.models:
        assert list(lost(model_variables(environment, name, uris), arrived[name], name)) == []


def lost(sent: object, arrived: object, place: str) -> Iterator[str]:
    """What Terraform left out without a word, because a type does not have it, or changed."""
    if isinstance(sent, dict) and isinstance(arrived, dict):
        for key, value in sent.items():
            if key in arrived:
                yield from lost(value, arrived[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}"
    elif sent is not None and (list(sent) if isinstance(sent, tuple) else sent) != arrived:
        yield f"{place}: {sent} became {arrived}"


def test_the_state_has_its_place_in_the_bucket(environment: Environment, tmp_path: Path) -> None:
    files = contents(render(environment, INPUTS, tmp_path))
    assert b'key          = "account/terraform.tfstate"' in files["account.tfbackend"]
    assert f'key          = "{environment.name}/inference.tfstate"'.encode() in files["inference.tfbackend"]
    for name in ("account.tfbackend", "inference.tfbackend"):
        assert f'bucket       = "{environment.state_bucket}"'.encode() in files[name]
        assert b"use_lockfile = true" in files[name]
