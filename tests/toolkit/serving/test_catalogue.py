"""Container images and instance types in the catalogue."""

from __future__ import annotations

import pytest

from toolkit.serving import catalogue
from toolkit.serving.catalogue import NotInCatalogueError, resolve

DLC = "763104351884.dkr.ecr.{}.amazonaws.com/"


@pytest.mark.parametrize(
    ("engine", "version", "region", "instance_type", "uri"),
    [
        # From the documentation of AWS.
        ("vllm", "2.3", "us-west-2", "ml.g5.2xlarge", DLC + "vllm:server-sagemaker-cuda-v2.3"),
        (
            "vllm",
            "0.27.1",
            "us-east-1",
            "ml.g5.2xlarge",
            DLC + "vllm:0.27.1-gpu-py312-cu130-ubuntu22.04-sagemaker",
        ),
        ("llama_cpp", "1", "us-west-2", "ml.c6i.2xlarge", DLC + "llama-cpp:server-sagemaker-cpu-v1"),
        ("llama_cpp", "1", "us-west-2", "ml.c7g.2xlarge", DLC + "llama-cpp-arm64:server-sagemaker-cpu-v1"),
        ("llama_cpp", "1", "us-west-2", "ml.g6.2xlarge", DLC + "llama-cpp:server-sagemaker-cuda-v1"),
        ("lmi", "0.36.0", "eu-west-1", "ml.g6e.12xlarge", DLC + "djl-inference:0.36.0-lmi27.0.0-cu130"),
        (
            "tgi",
            "3.3.4",
            "us-east-2",
            "ml.g5.12xlarge",
            DLC + "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.4-gpu-py311-cu124-ubuntu22.04",
        ),
        (
            "tei",
            "1.8.2",
            "us-east-1",
            "ml.g5.xlarge",
            "683313688378.dkr.ecr.{}.amazonaws.com/tei:2.0.1-tei1.8.2-gpu-py310-cu122-ubuntu22.04",
        ),
        (
            "tei",
            "1.8.2",
            "us-east-1",
            "ml.c6i.large",
            "683313688378.dkr.ecr.{}.amazonaws.com/tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04",
        ),
        (
            "llama_cpp",
            "1",
            "eu-south-1",
            "ml.c7i.large",
            "692866216735.dkr.ecr.{}.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1",
        ),
        (
            "vllm",
            "2",
            "cn-northwest-1",
            "ml.g5.xlarge",
            "727897471807.dkr.ecr.{}.amazonaws.com.cn/vllm:server-sagemaker-cuda-v2",
        ),
    ],
)
def test_image_uris(engine: str, version: str, region: str, instance_type: str, uri: str) -> None:
    assert resolve(engine, version, region, instance_type).uri == uri.format(region)


def test_aliases_resolve_to_versions() -> None:
    assert resolve("tei", "1.8", "us-east-1", "ml.g5.xlarge").version == "1.8.2"


def test_the_default_version_is_the_newest_in_the_region() -> None:
    assert resolve("vllm", None, "us-east-1", "ml.g6.xlarge").version == catalogue.versions("vllm")[0]
    gov = catalogue.versions("vllm", "us-gov-west-1")
    assert resolve("vllm", None, "us-gov-west-1", "ml.g6.xlarge").version == gov[0]
    assert gov[0] != catalogue.versions("vllm")[0]


def test_versions_are_sorted_numerically() -> None:
    versions = catalogue.versions("lmi")
    assert versions == sorted(versions, key=lambda v: [int(part) for part in v.split(".")], reverse=True)


@pytest.mark.parametrize(
    ("arguments", "field", "right"),
    [
        (("vllm", "7.0", "us-east-1", "ml.g6.xlarge"), "version", "2.6, 2.5"),
        (("vllm", "2.6", "us-gov-west-1", "ml.g6.xlarge"), "version", "versions in us-gov-west-1: 2.4"),
        (("vllm", None, "sa-west-1", "ml.g6.xlarge"), "region", "sa-east-1"),
        (("vllm", None, "us-east-1", "ml.m7i.large"), "instance_type", "GPU on x86_64"),
        (("vllm", None, "us-east-1", "ml.inf2.xlarge"), "instance_type", "GPU on x86_64"),
    ],
)
def test_a_missing_image_is_reported_with_alternatives(
    arguments: tuple[str, str | None, str, str], field: str, right: str
) -> None:
    with pytest.raises(NotInCatalogueError) as caught:
        resolve(*arguments)
    assert caught.value.field == field
    assert right in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "gpus", "architecture", "processor"),
    [
        ("ml.g6.2xlarge", 1, "x86_64", "gpu"),
        ("ml.g6.12xlarge", 4, "x86_64", "gpu"),
        ("ml.g5.48xlarge", 8, "x86_64", "gpu"),
        ("ml.p5.48xlarge", 8, "x86_64", "gpu"),
        ("ml.c7g.xlarge", 0, "arm64", "cpu"),
        ("ml.c7i.xlarge", 0, "x86_64", "cpu"),
        ("ml.inf2.xlarge", 0, "x86_64", "neuron"),
    ],
)
def test_hardware(name: str, gpus: int, architecture: str, processor: str) -> None:
    instance = catalogue.instances()[name]
    assert (instance.gpus, instance.architecture, instance.processor) == (gpus, architecture, processor)


def test_gpu_memory_is_the_total_of_all_gpus() -> None:
    assert catalogue.instances()["ml.g6.2xlarge"].gpu_memory_mib == 22_888
    assert catalogue.instances()["ml.g6.12xlarge"].gpu_memory_mib == 4 * 22_888


@pytest.mark.parametrize("engine", ["llama_cpp", "lmi", "tei", "tgi", "vllm"])
def test_every_version_has_a_uri_in_every_region(engine: str) -> None:
    published = [(region, v) for region in catalogue.regions() for v in catalogue.versions(engine, region)]
    assert len(published) > 100
    for region, version in published:
        assert f".ecr.{region}." in resolve(engine, version, region, "ml.g6.xlarge").uri


def test_a_serverless_endpoint_runs_on_a_cpu() -> None:
    assert resolve("llama_cpp", "1", "us-west-2", None).uri.endswith("/llama-cpp:server-sagemaker-cpu-v1")
    assert catalogue.hardware(None).processor == "cpu"
    with pytest.raises(NotInCatalogueError, match=r"does not run serverless \(CPU on x86_64\)"):
        resolve("vllm", None, "us-west-2", None)


def test_hardware_of_an_instance_type() -> None:
    assert catalogue.hardware("ml.g6.12xlarge").gpus == 4


ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("engine", "image", "cuda"),
    [
        ("vllm", "team/vllm:server-sagemaker-cuda-v2.6", (13, 0)),
        ("lmi", "djl-inference:0.35.0-lmi17.0.0-cu128", (12, 8)),
        ("vllm", "own:1.0-cu129-sagemaker", (12, 9)),
        # Unknown: as the newest of AWS.
        ("tgi", "own:1", (12, 4)),
        ("llama_cpp", "own@sha256:" + 64 * "0", (13, 0)),
        ("custom", "own:1.0-cu129", None),
    ],
)
def test_the_cuda_release_of_an_own_image(engine: str, image: str, cuda: tuple[int, int] | None) -> None:
    assert catalogue.own_image(engine, f"{ECR}/{image}", catalogue.hardware("ml.g6.xlarge")).cuda == cuda
    assert catalogue.own_image(engine, f"{ECR}/{image}", catalogue.hardware("ml.c7i.xlarge")).cuda is None
