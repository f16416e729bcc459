"""The JSON Schema for editors."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tests.toolkit.environment.everything import EVERYTHING
from toolkit.environment import load, names, schema
from toolkit.project import Project


@functools.cache
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema.schema())
    return Draft202012Validator(schema.schema())


def content(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def test_the_committed_schema_is_up_to_date(checkout: Path) -> None:
    assert schema.path(Project(checkout)).read_text() == schema.text(), f"run `{schema.COMMAND}`"


def test_the_environments_match_the_schema(checkout: Path) -> None:
    project = Project(checkout)
    for name in names(project):
        errors = [error.message for error in validator().iter_errors(content(project.environment_file(name)))]
        assert errors == []


def test_the_complete_file_matches_the_schema_and_loads(tmp_path: Path) -> None:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    path = Project(tmp_path).environment_file("all")
    path.write_text(EVERYTHING)
    assert [error.message for error in validator().iter_errors(content(path))] == []
    assert len(load(Project(tmp_path), "all").models) == 6


def test_the_complete_file_contains_every_key() -> None:
    for name, definition in schema.schema()["$defs"].items():
        if not name.endswith("Options"):
            for key in definition["properties"]:
                # Alternatives to keys in the file.
                others = ("server", "model", "arn", "private", "vpc_endpoint_ids", "prompts")
                assert f"{key}:" in EVERYTHING or key in others, f"{name}.{key}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "'colour' was unexpected"),
        ({"target": "azure"}, "'azure' is not one of"),
        ({"account_id": 123456789012}, "is not of type 'string'"),
        ({"models": {}}, "non-empty"),
    ],
)
def test_the_schema_rejects_invalid_files(checkout: Path, change: dict[str, Any], message: str) -> None:
    environment = content(Project(checkout).environment_file("dev")) | change
    assert message in "\n".join(error.message for error in validator().iter_errors(environment))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instance_type": ...}, "'instance_type' is a required property"),
        ({"endpoint": {"serverless": {}}}, "False schema does not allow 'ml.g6.2xlarge'"),
        ({"endpoint": {"serverless": {}, "async": {}}}, "is not valid under any of the given schemas"),
        ({"source": ...}, "'source' is a required property"),
        ({"source": {"hub": "a/b", "revision": "main"}}, "is not valid under any of the given schemas"),
        ({"rollout": {"strategy": "canary", "percent": 60}}, "is not valid under any of the given schemas"),
    ],
)
def test_the_schema_rejects_invalid_models(checkout: Path, change: dict[str, Any], message: str) -> None:
    environment = content(Project(checkout).environment_file("dev"))
    (model,) = environment["models"].values()
    model |= change
    environment["models"]["it"] = {key: value for key, value in model.items() if value is not ...}
    messages = [error.message for error in validator().iter_errors(environment)]
    assert message in "\n".join(messages)


def test_the_schema_accepts_unpinned_models(checkout: Path) -> None:
    environment = content(Project(checkout).environment_file("dev"))
    (model,) = environment["models"].values()
    model["source"] = {"hub": "a/b", "allow_unpinned": True}
    assert validator().is_valid(environment)


def test_an_aws_environment_needs_an_account(checkout: Path) -> None:
    environment = content(Project(checkout).environment_file("dev"))
    del environment["account_id"]
    assert not validator().is_valid(environment)
    assert validator().is_valid(environment | {"target": "local"})


def test_every_key_has_a_description() -> None:
    definitions = schema.schema()["$defs"]
    for definition in (schema.schema(), *definitions.values()):
        for key, value in definition["properties"].items():
            description = value.get("description") or definitions[value["$ref"].split("/")[-1]]["description"]
            assert description, key


@pytest.mark.slow
@pytest.mark.parametrize("module", ["toolkit.environment.schema", "toolkit.environment.reference"])
def test_the_commands_in_messages_work(checkout: Path, tmp_path: Path, module: str) -> None:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    (tmp_path / "docs" / "reference").mkdir(parents=True)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=checkout,
            env={"TOOLKIT_PROJECT": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    stale = run("--check")
    assert stale.returncode == 1
    assert f"run `python -m {module}`" in stale.stderr
    assert run().returncode == 0
    assert run("--check").returncode == 0
