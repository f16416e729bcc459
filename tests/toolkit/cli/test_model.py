"""`toolkit model …` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.checkout import ROOT
from tests.support.toolkit import Toolkit

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
models:
  ollama:
    serving: {engine: llama_cpp}
    source: {server: "http://127.0.0.1:11434/v1"}
    instance_type: ml.c7i.xlarge
  own:
    serving: {engine: llama_cpp}
    source: {path: weights/}
    instance_type: ml.c7i.xlarge
"""


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolkit]:
    """The program in a project with two models."""
    project = tmp_path_factory.mktemp("models")
    environments = project / "terraform" / "environments"
    environments.mkdir(parents=True)
    (environments / "test.yaml").write_text(ENVIRONMENT)
    (project / "requirements").symlink_to(ROOT / "requirements")
    (project / "weights").mkdir()
    (project / "weights" / "model.gguf").write_bytes(b"GGUF")
    program = Toolkit(project)
    yield program
    program.stop_cloud()


@pytest.mark.parametrize("arguments", [(), ("own", "--all")])
def test_stage_requires_one_model_or_all(toolkit: Toolkit, arguments: tuple[str, ...]) -> None:
    result = toolkit("model", "stage", "--env", "test", *arguments)
    assert result.returncode == 2
    assert "--all" in result.stderr


@pytest.mark.slow
def test_models_and_their_weights_are_listed(toolkit: Toolkit) -> None:
    toolkit.succeed("local", "up")
    text = toolkit.succeed("model", "list", "--env", "test")
    assert "ollama  not to be staged: the server has them" in text
    assert "own  NOT staged" in text

    ollama, own = json.loads(toolkit.succeed("model", "list", "--env", "test", "--json"))
    assert (ollama["model"], ollama["staged"], ollama["uri"]) == ("ollama", None, None)
    assert (own["staged"], own["size"], own["source"]) == (False, None, "path: weights/")
    assert own["uri"].startswith("s3://llm-models-123456789012-us-east-1/own/")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("owm", "test has no model owm"),
        ("ollama", "the weights of ollama are not staged: the server has them"),
    ],
)
def test_staging_unknown_or_unstaged_weights_is_an_input_error(
    toolkit: Toolkit, name: str, message: str
) -> None:
    result = toolkit("model", "stage", "--env", "test", name)
    assert result.returncode == 2
    assert message in result.stderr
    assert "terraform/environments/test.yaml" in result.stderr
