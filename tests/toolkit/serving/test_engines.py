"""Environment variables of containers, and inference AMIs."""

from __future__ import annotations

import pytest

from toolkit.serving import catalogue
from toolkit.serving.catalogue import Image, resolve
from toolkit.serving.engines import (
    AMI_CUDA,
    ENGINES,
    GPU_CUDA,
    Hub,
    OptionValue,
    container_environment,
    forward_compatibility,
    inference_ami_version,
)

TGI = {"PAYLOAD_LIMIT": "6291456"}
LLAMA_CPP, VLLM = ENGINES["llama_cpp"], ENGINES["vllm"]
ONE_GPU, FOUR_GPUS = catalogue.instances()["ml.g6.2xlarge"], catalogue.instances()["ml.g6.12xlarge"]
CPU = catalogue.instances()["ml.c7i.xlarge"]


def test_options_become_environment_variables() -> None:
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


def test_a_model_uses_all_gpus() -> None:
    one_gpu = container_environment(VLLM, served_name="m", options={}, instance=ONE_GPU)
    four_gpus = container_environment(VLLM, served_name="m", options={}, instance=FOUR_GPUS)
    assert "SM_VLLM_TENSOR_PARALLEL_SIZE" not in one_gpu
    assert four_gpus["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "4"


def test_an_engine_without_hub_support_is_an_error() -> None:
    with pytest.raises(ValueError, match="from the Hub"):
        container_environment(LLAMA_CPP, served_name="m", options={}, instance=CPU, hub=Hub("a/b", "0" * 40))


@pytest.mark.parametrize(
    ("engine", "mounted", "from_the_hub", "name"),
    [
        (
            "vllm",
            {"SM_VLLM_MODEL": "/opt/ml/model", **VLLM.mounted},
            {"SM_VLLM_MODEL": "a/b", "SM_VLLM_REVISION": "c"},
            {"SM_VLLM_SERVED_MODEL_NAME": "m"},
        ),
        (
            "lmi",
            {"HF_MODEL_ID": "/opt/ml/model"},
            {"HF_MODEL_ID": "a/b", "HF_REVISION": "c"},
            {"OPTION_SERVED_MODEL_NAME": "m"},
        ),
        ("tgi", {"HF_MODEL_ID": "/opt/ml/model"}, {"HF_MODEL_ID": "a/b", "HF_MODEL_REVISION": "c"}, TGI),
        (
            "tei",
            {"HF_MODEL_ID": "/opt/ml/model"},
            {"HF_MODEL_ID": "a/b", "HF_MODEL_REVISION": "c"},
            {"SERVED_MODEL_NAME": "m", "MAX_CLIENT_BATCH_SIZE": "2048", "PAYLOAD_LIMIT": "6291456"},
        ),
    ],
)
def test_variables_that_select_the_model(
    engine: str, mounted: dict[str, str], from_the_hub: dict[str, str], name: dict[str, str]
) -> None:
    def environment(hub: Hub | None) -> dict[str, str]:
        return container_environment(ENGINES[engine], served_name="m", options={}, instance=ONE_GPU, hub=hub)

    assert environment(None) == mounted | name
    assert environment(Hub("a/b", "c")) == from_the_hub | name
    (variable, *_) = mounted
    assert environment(Hub("a/b", None)) == {variable: "a/b"} | name


@pytest.mark.parametrize(
    ("engine", "variable"),
    [
        ("vllm", "SM_VLLM_TENSOR_PARALLEL_SIZE"),
        ("lmi", "TENSOR_PARALLEL_DEGREE"),
        ("tgi", "SM_NUM_GPUS"),
    ],
)
def test_each_engine_has_its_own_option_for_gpus(engine: str, variable: str) -> None:
    environment = container_environment(ENGINES[engine], served_name="m", options={}, instance=FOUR_GPUS)
    assert environment[variable] == "4"


def test_variables_of_options_of_each_engine() -> None:
    def environment(engine: str, **options: OptionValue) -> set[tuple[str, str]]:
        engine_ = ENGINES[engine]
        return set(
            container_environment(engine_, served_name="m", options=options, instance=FOUR_GPUS).items()
        )

    assert {("OPTION_MAX_MODEL_LEN", "16384"), ("TENSOR_PARALLEL_DEGREE", "2")} <= environment(
        "lmi", max_model_len=16384, tensor_parallel_degree=2
    )
    assert {("MAX_INPUT_TOKENS", "100"), ("SM_NUM_GPUS", "1"), ("TRUST_REMOTE_CODE", "false")} <= environment(
        "tgi", max_input_tokens=100, num_shard=1, trust_remote_code=False
    )
    assert ("AUTO_TRUNCATE", "true") in environment("tei", auto_truncate=True)


def test_the_gguf_file_is_below_the_mounted_weights() -> None:
    environment = container_environment(LLAMA_CPP, served_name="m", options={"model": "a.gguf"}, instance=CPU)
    assert environment["SM_LLAMA_CPP_MODEL"] == "/opt/ml/model/a.gguf"


def test_mounted_weights_cannot_change_how_vllm_starts() -> None:
    environment = container_environment(VLLM, served_name="m", options={}, instance=ONE_GPU)
    assert environment["STANDARD_AUTO_INSTALL_REQ"] == "false"
    assert environment["CUSTOM_SCRIPT_FILENAME"] != "model.py"


def test_a_custom_container_gets_no_variables() -> None:
    assert container_environment(ENGINES["custom"], served_name="m", options={}, instance=FOUR_GPUS) == {}


def test_lmi_detects_the_driver() -> None:
    image = resolve("lmi", None, "us-east-1", "ml.g6.2xlarge")
    assert image.cuda == (13, 0)
    assert inference_ami_version(ENGINES["lmi"], image, ONE_GPU) == "al2-ami-sagemaker-inference-gpu-3-1"
    assert forward_compatibility(ENGINES["lmi"], image, "al2-ami-sagemaker-inference-gpu-3-1") == {}


@pytest.mark.parametrize(
    ("engine", "cuda", "instance_type", "ami_version"),
    [
        ("llama_cpp", None, "ml.g6.2xlarge", None),
        ("vllm", (12, 1), "ml.g6.2xlarge", None),
        ("vllm", (12, 9), "ml.g6.2xlarge", "al2-ami-sagemaker-inference-gpu-3-1"),
        ("vllm", (13, 0), "ml.p5.48xlarge", "al2-ami-sagemaker-inference-gpu-3-1"),
        ("llama_cpp", (13, 0), "ml.g6.2xlarge", "al2023-ami-sagemaker-inference-gpu-4-1"),
        # Driver 550 does not know Blackwell.
        ("vllm", (13, 0), "ml.g7e.2xlarge", "al2023-ami-sagemaker-inference-gpu-4-1"),
        ("lmi", (12, 9), "ml.p6-b200.48xlarge", "al2023-ami-sagemaker-inference-gpu-4-1"),
        ("vllm", (13, 0), "ml.c7i.xlarge", None),
    ],
)
def test_the_driver_supports_the_cuda_release_and_the_gpu(
    engine: str, cuda: tuple[int, int] | None, instance_type: str, ami_version: str | None
) -> None:
    instance = catalogue.instances()[instance_type]
    assert inference_ami_version(ENGINES[engine], Image("uri", "1", cuda), instance) == ami_version


def test_the_oldest_cuda_release_of_every_gpu_is_known() -> None:
    assert set(GPU_CUDA) == {instance.gpu for instance in catalogue.instances().values() if instance.gpu}


def test_cuda_13_on_an_older_driver_enables_compatibility() -> None:
    image = resolve("vllm", None, "us-east-1", "ml.g6.2xlarge")
    assert image.cuda == (13, 0)
    older, newer = "al2-ami-sagemaker-inference-gpu-3-1", "al2023-ami-sagemaker-inference-gpu-4-1"
    assert forward_compatibility(VLLM, image, older) == {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}
    assert forward_compatibility(VLLM, image, newer) == {}
    assert forward_compatibility(VLLM, image, None) == {}


def test_the_cuda_release_of_every_gpu_ami_is_known() -> None:
    assert set(AMI_CUDA) == {name for name in catalogue.inference_ami_versions() if "gpu" in name}


def test_settings_in_the_file_override_the_default_ami() -> None:
    options = {"max_client_batch_size": 8}
    environment = container_environment(ENGINES["tei"], served_name="m", options=options, instance=ONE_GPU)
    assert environment["MAX_CLIENT_BATCH_SIZE"] == "8"
