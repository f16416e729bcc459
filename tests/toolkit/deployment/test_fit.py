"""Memory of an environment's models, without a deployment."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from tests.support.checkout import ROOT
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment import fit
from toolkit.deployment.context import Context
from toolkit.deployment.plans import review
from toolkit.environment import Environment, load
from toolkit.errors import InputError, PreflightError
from toolkit.project import Project
from toolkit.staging import description

MODELS = ROOT / "tests/toolkit/serving/memory/models"
ENVIRONMENT = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  small:
    serving: {engine: vllm, options: {max_model_len: 16384}}
    source: {path: weights/}
    instance_type: ml.g6.2xlarge
  large:
    serving: {engine: vllm}
    source: {path: weights/}
    instance_type: ml.g6.2xlarge
  hub:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}
    instance_type: ml.g6.2xlarge
  staged:
    serving: {engine: llama_cpp}
    source: {hub: a/b, revision: b968826d9c46dd6066d109eabc6255188de91218, staged: true, files: ["*Q4.gguf"]}
    instance_type: ml.c7i.2xlarge
  own:
    serving: {engine: custom, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"}
    instance_type: ml.g6.2xlarge
    variants:
      a: {weight: 1}
      b: {weight: 1}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    project = Project(tmp_path / "project")
    project.environment_file("test").parent.mkdir(parents=True)
    project.environment_file("test").write_text(ENVIRONMENT)
    (project.root / "weights").mkdir()
    (project.root / "weights" / "config.json").write_bytes((MODELS / "qwen3-8b.json").read_bytes())
    return project


@pytest.fixture
def environment(project: Project) -> Environment:
    return load(project, "test")


def no_access() -> AwsAccess:
    raise NoCredentialsError


def test_each_variant_has_a_verdict(project: Project, environment: Environment) -> None:
    fits = fit.check(environment, fit.anywhere(project, environment, no_access))
    assert {result.name: result.estimate.verdict for result in fits} == {
        "small": "fits",
        "large": "does_not_fit",
        "hub": "unknown",
        "staged": "unknown",
        "own/a": "unknown",
        "own/b": "unknown",
    }


def test_what_is_unknown_has_the_command_that_gets_it(project: Project, environment: Environment) -> None:
    fits = {
        result.name: result.estimate
        for result in fit.check(environment, fit.anywhere(project, environment, no_access))
    }
    commit = "b968826d9c46dd6066d109eabc6255188de91218"
    assert fits["hub"].remedy == f"run `hf download Qwen/Qwen3-8B config.json --revision {commit}`"
    assert fits["staged"].remedy == f"run `hf download a/b --revision {commit} --include '*Q4.gguf'`"
    assert "no AWS credentials" in fits["staged"].reason
    assert "author of the image" in fits["own/a"].reason


@pytest.mark.parametrize(
    "error",
    [
        PreflightError("the account is another one"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2"),
    ],
)
def test_a_model_store_that_cannot_be_read_is_unknown(
    project: Project, environment: Environment, error: Exception
) -> None:
    def access() -> AwsAccess:
        raise error

    (result,) = fit.check(environment, fit.anywhere(project, environment, access), "staged")
    assert result.estimate.verdict == "unknown"
    assert result.estimate.reason.startswith("cannot read the model store: ")


def test_a_given_description_is_for_the_chosen_model(environment: Environment) -> None:
    find = fit.always(description.of_file(MODELS / "qwen3-32b.json"))
    (result,) = fit.check(environment, find, "hub")
    assert result.estimate.verdict == "does_not_fit"
    with pytest.raises(PreflightError, match="cannot start hub in test") as caught:
        fit.raise_for_failures("test", [result])
    assert caught.value.exit_code == 4
    fit.raise_for_failures("test", fit.check(environment, find, "own"))


def test_an_unknown_model_is_an_input_error(project: Project, environment: Environment) -> None:
    with pytest.raises(InputError, match="test has no model hubb"):
        fit.check(environment, fit.on_machine(project, environment), "hubb")


def test_data_has_bytes(project: Project, environment: Environment) -> None:
    (result,) = fit.check(environment, fit.on_machine(project, environment), "small")
    data = result.as_data()
    assert (data["verdict"], data["context"], data["instance_type"]) == ("fits", 16384, "ml.g6.2xlarge")
    assert {term["name"] for term in data["terms"]} > {"weights", "KV cache", "needed"}
    assert next(term["low"] for term in data["terms"] if term["name"] == "weights") == 8190427136 * 2


@pytest.mark.parametrize(
    ("serving", "share"),
    [
        ("{engine: vllm, version: '2.6'}", "0.92"),
        ("{engine: vllm, version: '0.26.0'}", "0.92"),
        ("{engine: lmi}", "0.9"),
        ("{engine: vllm, options: {gpu_memory_utilization: 0.8}}", "0.8"),
    ],
)
def test_versions_use_different_shares_of_the_memory(project: Project, serving: str, share: str) -> None:
    text = ENVIRONMENT.replace("{engine: vllm, options: {max_model_len: 16384}}", serving)
    project.environment_file("test").write_text(text)
    environment = load(project, "test")
    (result,) = fit.check(environment, fit.on_machine(project, environment), "small")
    budget = next(term for term in result.estimate.terms if term.name == "GPU memory")
    assert budget.formula.endswith(f"gpu_memory_utilization {share}")


def test_serverless_endpoints_have_the_memory_that_they_ask_for(project: Project) -> None:
    text = ENVIRONMENT.replace("  hub:\n", "  hub:\n    endpoint: {serverless: {memory_mb: 3072}}\n").replace(
        "    source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}\n"
        "    instance_type: ml.g6.2xlarge\n",
        "    source: {s3: 's3://llm-models-123456789012-us-east-1/m.tar.gz'}\n",
    )
    project.environment_file("test").write_text(
        text.replace("{engine: vllm}\n    source: {s3", "{engine: llama_cpp}\n    source: {s3")
    )
    environment = load(project, "test")
    (result,) = fit.check(environment, fit.on_machine(project, environment), "hub")
    assert (result.hardware, result.instance_type, result.estimate.verdict) == ("3 GiB", None, "unknown")


def test_a_plan_on_aws_warns_of_models_that_will_not_start(
    project: Project, environment: Environment
) -> None:
    access = AwsAccess(environment.region, environment.account_id)
    context = Context(project, environment, access, Console(err=io.StringIO(), interactive=False), None)
    (warning,) = review.warnings(context, "apply", {})
    assert warning.startswith(
        "terraform/environments/test.yaml: models.large.serving.options: large will not start on "
        "ml.g6.2xlarge: one request of 40,960 tokens needs 5.62 GiB of KV cache, but 4.71 GiB remain; set "
        "max_model_len: "
    )
    # A rollback deploys the models of an earlier release, not those of the file.
    assert list(review.warnings(context, "rollback to 3", {})) == []


def test_a_damaged_description_is_a_warning_of_the_plan(project: Project, environment: Environment) -> None:
    (project.root / "weights" / "config.json").write_text("{")
    warnings = list(fit.warnings(project, environment))
    assert [warning.partition(":")[0] for warning in warnings] == [
        "cannot estimate the memory of small",
        "cannot estimate the memory of large",
    ]
