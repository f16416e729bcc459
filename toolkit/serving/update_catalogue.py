"""Generates the catalogue in this folder from published data.

    pip download --no-deps sagemaker-core
    python -m toolkit.serving.update_catalogue sagemaker_core-*.whl

`images.json` comes from that wheel, in which AWS publishes the registries of serving containers.
`instances.json` joins SageMaker's list of instance types (botocore) with the hardware that EC2 publishes for
them (the response to DescribeInstanceTypes in moto). Without a wheel, only `instances.json` is generated.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONFIGURATION = "sagemaker/core/image_uri_config/{}.json"

# Files of the wheel by engine, with the CPU architecture of their images.
FAMILIES: dict[str, dict[str, str]] = {
    "llama_cpp": {"llama-cpp": "x86_64", "llama-cpp-arm64": "arm64"},
    "lmi": {"djl-lmi": "x86_64"},
    "tei": {"huggingface-tei": "x86_64", "huggingface-tei-cpu": "x86_64"},
    "tgi": {"huggingface-llm": "x86_64"},
    "vllm": {"vllm-server": "x86_64", "vllm": "x86_64"},
}

# CUDA versions of images whose tags do not contain it, by tag up to the major version
# (aws/deep-learning-containers: docs/src/data/vllm-server, .github/config/image/llama_cpp).
CUDA_BY_TAG = {"vllm:server-sagemaker-cuda-v2": "13.0", "llama-cpp:server-sagemaker-cuda-v1": "13.0"}


def main(wheel: Path | None) -> None:
    """Write the files of the catalogue."""
    if wheel is not None:
        _write("images.json", images(wheel))
    _write("instances.json", instances())


def _write(name: str, content: Mapping[str, Any]) -> None:
    (HERE / name).write_text(dump(content), encoding="utf-8")


def images(wheel: Path) -> dict[str, Any]:
    """Content of images.json."""
    registries: dict[str, dict[str, str]] = {}
    engines = {}
    with zipfile.ZipFile(wheel) as archive:
        for engine, families in FAMILIES.items():
            versions: dict[str, list[dict[str, str]]] = {}
            aliases: dict[str, str] = {}
            for family, architecture in families.items():
                published = json.loads(archive.read(CONFIGURATION.format(family)))
                published = published.get("inference", published)
                # "latest" changes over time; `catalogue` selects the newest version.
                aliases |= {k: v for k, v in published.get("version_aliases", {}).items() if k != "latest"}
                for version, image in published["versions"].items():
                    registry = _registry(registries, image["registries"])
                    entries = _entries(published.get("processors"), image, architecture, registry)
                    versions.setdefault(version, []).extend(entries)
            engines[engine] = {"aliases": aliases, "versions": versions}
    name, version = wheel.name.split("-")[:2]
    botocore = f"botocore {importlib.metadata.version('botocore')}"
    return {
        "source": {"images": f"{name.replace('_', '-')} {version}", "regions": botocore},
        "regions": _regions(),
        "registries": registries,
        "engines": engines,
    }


def _entries(
    processors: list[str] | None, image: Mapping[str, Any], architecture: str, registry: str
) -> Iterator[dict[str, str]]:
    """The images of one version, with tags composed as in sagemaker-core."""
    # Images without a processor are for GPUs (LMI).
    for processor in processors or image.get("processors") or [None]:
        python = image.get("py_versions", [None])
        if len(python) != 1:
            raise ValueError(f"more than one Python version: {image}")
        in_tag = processor if image.get("processor_in_tag", True) else None
        build = image.get("container_version", {}).get(processor)
        tag = "-".join(part for part in (image["tag_prefix"], in_tag, python[0], build) if part)
        entry = {
            "processor": processor or "gpu",
            "architecture": architecture,
            "registry": registry,
            "image": f"{image['repository']}:{tag}",
        }
        if entry["processor"] == "gpu":
            entry["cuda"] = _cuda(entry["image"])
        yield entry


def _cuda(image: str) -> str:
    in_tag = re.search(r"-cu(\d\d)(\d)\b", image)
    if in_tag:
        return f"{in_tag[1]}.{in_tag[2]}"
    for tag, cuda in CUDA_BY_TAG.items():
        if re.match(rf"{re.escape(tag)}(\.|$)", image):
            return cuda
    raise ValueError(f"the tag of {image} contains no CUDA version: add it to CUDA_BY_TAG")


def _registry(registries: dict[str, dict[str, str]], accounts: dict[str, str]) -> str:
    """The name of a table of accounts by region, which most images share."""
    accounts = dict(sorted(accounts.items()))
    for name, registry_accounts in registries.items():
        if registry_accounts == accounts:
            return name
    name = f"accounts-{len(registries) + 1}"
    registries[name] = accounts
    return name


def _regions() -> dict[str, str]:
    """The domain of AWS services by region."""
    partitions = json.loads((_package("botocore") / "data" / "partitions.json").read_text())["partitions"]
    return {
        region: partition["outputs"]["dnsSuffix"]
        for partition in partitions
        for region in sorted(partition["regions"])
        if not region.endswith("-global")
    }


def instances() -> dict[str, Any]:
    """Content of instances.json."""
    shapes = _read_gzip("botocore", "data/sagemaker/2017-07-24/service-2.json.gz")["shapes"]
    hardware = _read_gzip("moto", "ec2/resources/instance_types.json.gz")
    names = shapes["ProductionVariantInstanceType"]["enum"]
    # Omit a few types that the list of EC2 does not contain.
    instance_types = {
        name: hardware[name.removeprefix("ml.")] for name in sorted(names) if name[3:] in hardware
    }
    return {
        "source": {
            "types": f"botocore {importlib.metadata.version('botocore')}",
            "hardware": f"moto {importlib.metadata.version('moto')}",
        },
        "inference_ami_versions": sorted(shapes["ProductionVariantInferenceAmiVersion"]["enum"]),
        "instances": {name: _instance(facts) for name, facts in instance_types.items()},
    }


def _instance(facts: Mapping[str, Any]) -> dict[str, Any]:
    instance = {
        "vcpus": facts["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": facts["MemoryInfo"]["SizeInMiB"],
        "architecture": facts["ProcessorInfo"]["SupportedArchitectures"][-1],
    }
    if "GpuInfo" in facts:
        instance["gpus"] = sum(gpu["Count"] for gpu in facts["GpuInfo"]["Gpus"])
        instance["gpu"] = facts["GpuInfo"]["Gpus"][0]["Name"]
        instance["gpu_memory_mib"] = facts["GpuInfo"]["TotalGpuMemoryInMiB"]
    if "NeuronInfo" in facts or "InferenceAcceleratorInfo" in facts:
        instance["neuron"] = True
    if "InstanceStorageInfo" in facts:
        instance["disk_gb"] = facts["InstanceStorageInfo"]["TotalSizeInGB"]
    return instance


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed")
    return Path(spec.origin).parent


def _read_gzip(package: str, path: str) -> Any:
    return json.loads(gzip.decompress((_package(package) / path).read_bytes()))


def dump(value: Any) -> str:
    """JSON with one line per innermost object, so that a new image is one line in a diff."""
    return _dump(value, "") + "\n"


def _dump(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        lines = [f"{inner}{json.dumps(key)}: {_dump(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"{inner}{json.dumps(item)}" for item in value) + f"\n{indent}]"
    return json.dumps(value)


if __name__ == "__main__":
    if len(sys.argv) > 2 or "--help" in sys.argv:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else None)
