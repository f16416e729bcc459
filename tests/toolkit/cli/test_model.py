"""`toolkit model …` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

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
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
AWS = f"""\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  short:
    serving: {{engine: vllm, options: {{max_model_len: 8192}}}}
    source: {{hub: Qwen/Qwen3-8B, revision: {COMMIT}}}
    instance_type: ml.g6.2xlarge
  long:
    serving: {{engine: vllm}}
    source: {{hub: Qwen/Qwen3-8B, revision: {COMMIT}}}
    instance_type: ml.g6.2xlarge
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


@pytest.fixture
def configuration(toolkit: Toolkit) -> Path:
    """A project's environment `aws` with two models, and a `config.json`."""
    (toolkit.project / "terraform" / "environments" / "aws.yaml").write_text(AWS)
    path = toolkit.project / "config.json"
    path.write_bytes((ROOT / "tests/toolkit/serving/memory/models/llama-3.1-8b.json").read_bytes())
    return path


@pytest.mark.slow
def test_fit_shows_the_sum_and_exits_4_if_a_model_cannot_start(toolkit: Toolkit, configuration: Path) -> None:
    result = toolkit("model", "fit", "--env", "aws", "--model", "long", "--config", str(configuration))
    assert result.returncode == 4
    assert "long: DOES NOT FIT on ml.g6.2xlarge (1 x L4, vllm)" in result.stdout
    assert "32 layers x 8 KV heads x (128 + 128) x 2 bytes" in result.stdout
    assert "needs 16.00 GiB of KV cache, but 4.99 GiB remain" in result.stdout
    assert "→ set max_model_len: " in result.stdout
    assert "cannot start long in aws" in result.stderr

    short = toolkit("model", "fit", "--env", "aws", "--model", "short", "--config", str(configuration))
    assert (short.returncode, short.stderr) == (0, "")


@pytest.mark.slow
def test_fit_prints_json_also_of_what_cannot_start(toolkit: Toolkit, configuration: Path) -> None:
    arguments = ("model", "fit", "--env", "aws", "--model", "long", "--json", "--config", str(configuration))
    result = toolkit(*arguments)
    assert result.returncode == 4
    (fit,) = json.loads(result.stdout)
    assert (fit["verdict"], fit["context"], fit["option"]) == ("does_not_fit", 131072, "max_model_len")
    assert next(term["low"] for term in fit["terms"] if term["name"] == "needed") == 16 * 2**30


def test_fit_names_the_command_that_gets_a_description(toolkit: Toolkit, configuration: Path) -> None:
    result = toolkit("model", "fit", "--env", "aws", HF_HOME=str(toolkit.project))
    assert result.returncode == 0
    assert "short: unknown on ml.g6.2xlarge" in result.stdout
    assert f"→ run `hf download Qwen/Qwen3-8B config.json --revision {COMMIT}`" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config", "config.json"), "--config describes one model"),
        (("--model", "short", "--config", "none.json"), "no such file"),
        (("--model", "short", "--config", "terraform/environments/aws.yaml"), "cannot read the description"),
    ],
)
def test_fit_refuses_wrong_arguments(
    toolkit: Toolkit, configuration: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = toolkit("model", "fit", "--env", "aws", *arguments)
    assert result.returncode == 2
    assert message in result.stderr


@pytest.mark.slow
def test_the_documented_run_is_that_of_this_version(tmp_path: Path) -> None:
    """docs/how-to/fit.md, after `hf download`, whose cache has this layout."""
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-8B" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    config = ROOT / "tests/toolkit/serving/memory/models/qwen3-8b.json"
    (snapshot / "config.json").write_bytes(config.read_bytes())
    printed = Toolkit(ROOT)("model", "fit", "--env", "dev", HF_HOME=str(tmp_path)).stdout
    page = (ROOT / "docs" / "how-to" / "fit.md").read_text(encoding="utf-8")
    block = page.partition("```text\n")[2].partition("```")[0]
    assert printed == block, f"replace the block of docs/how-to/fit.md by:\n{printed}"


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
