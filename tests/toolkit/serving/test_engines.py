"""What containers are told."""

from __future__ import annotations

import pytest

from toolkit.serving import catalogue
from toolkit.serving.catalogue import Image, resolve
from toolkit.serving.engines import (
    AMI_CUDA,
    ENGINES,
    container_environment,
    forward_compatibility,
    inference_ami_version,
)

LLAMA_CPP, VLLM = ENGINES["llama_cpp"], ENGINES["vllm"]
ONE_GPU, FOUR_GPUS = catalogue.instances()["ml.g6.2xlarge"], catalogue.instances()["ml.g6.12xlarge"]
CPU = catalogue.instances()["ml.c7i.xlarge"]


def test_options_become_variables_that_the_container_makes_flags_of() -> None:
    options = {
        "ctx_size": 4096,
        "jinja": True,
        "cont_batching": False,
        "chat_template": "chatml",
        "temp": 0.5,
    }
    assert container_environment(LLAMA_CPP, served_name="m", options=options, instance=CPU) == {
        "SM_LLAMA_CPP_ALIAS": "m",
        "SM_LLAMA_CPP_CTX_SIZE": "4096",
        "SM_LLAMA_CPP_JINJA": "true",
        "SM_LLAMA_CPP_CONT_BATCHING": "false",
        "SM_LLAMA_CPP_CHAT_TEMPLATE": "chatml",
        "SM_LLAMA_CPP_TEMP": "0.5",
    }


def test_a_model_is_spread_over_all_gpus() -> None:
    one = container_environment(VLLM, served_name="m", options={}, instance=ONE_GPU)
    four = container_environment(VLLM, served_name="m", options={}, instance=FOUR_GPUS)
    assert "SM_VLLM_TENSOR_PARALLEL_SIZE" not in one
    assert four["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "4"


def test_an_engine_that_cannot_pin_a_revision_is_not_asked_to() -> None:
    with pytest.raises(ValueError, match="pinned revision"):
        container_environment(LLAMA_CPP, served_name="m", options={}, instance=CPU, hub=("a/b", "0" * 40))


@pytest.mark.parametrize(
    ("engine", "cuda", "ami_version"),
    [
        ("llama_cpp", None, None),
        ("vllm", (12, 1), None),
        ("vllm", (12, 9), "al2-ami-sagemaker-inference-gpu-3-1"),
        ("vllm", (13, 0), "al2-ami-sagemaker-inference-gpu-3-1"),
        ("llama_cpp", (13, 0), "al2023-ami-sagemaker-inference-gpu-4-1"),
    ],
)
def test_the_hosts_driver_suits_the_containers_cuda(
    engine: str, cuda: tuple[int, int] | None, ami_version: str | None
) -> None:
    assert inference_ami_version(ENGINES[engine], Image("uri", "1", cuda)) == ami_version


def test_cuda_13_on_an_older_driver_is_told_to_be_compatible() -> None:
    image = resolve("vllm", None, "us-east-1", "ml.g6.2xlarge")
    assert image.cuda == (13, 0)
    older, newer = "al2-ami-sagemaker-inference-gpu-3-1", "al2023-ami-sagemaker-inference-gpu-4-1"
    assert forward_compatibility(VLLM, image, older) == {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}
    assert forward_compatibility(VLLM, image, newer) == {}
    assert forward_compatibility(VLLM, image, None) == {}


def test_every_gpu_machine_image_that_sagemaker_has_is_known() -> None:
    assert set(AMI_CUDA) == {name for name in catalogue.inference_ami_versions() if "gpu" in name}
