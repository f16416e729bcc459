"""Look-ups of container images and instance types in the checked-in catalogue.

`python -m toolkit.serving.update_catalogue` generates the data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class Instance:
    """The hardware of an instance type.

    Attributes:
        vcpus: number of virtual CPUs.
        memory_mib: main memory in MiB.
        architecture: CPU architecture, `x86_64` or `arm64`.
        gpus: number of GPUs.
        gpu: GPU model, such as `L4`.
        gpu_memory_mib: total memory of the GPUs in MiB.
        neuron: whether it has AWS Inferentia or Trainium accelerators.
        disk_gb: size of its local NVMe disks; 0 if it has none.
    """

    vcpus: int
    memory_mib: int
    architecture: str
    gpus: int = 0
    gpu: str = ""
    gpu_memory_mib: int = 0
    neuron: bool = False
    disk_gb: int = 0

    @property
    def processor(self) -> Literal["cpu", "gpu", "neuron"]:
        """The processor that an image must be built for."""
        return "gpu" if self.gpus else "neuron" if self.neuron else "cpu"


@dataclass(frozen=True)
class Image:
    """A container image.

    Attributes:
        uri: registry, repository and tag.
        version: version in the catalogue.
        cuda: CUDA release as (major, minor); None for CPUs.
    """

    uri: str
    version: str
    cuda: tuple[int, int] | None


# By the dates of the SDKs, this AWS provider accepts every value of the catalogue: botocore contains all of
# them since 1.43.55 (2026-07-23), and bindings for provider 6.62.0 are of 2026-09-07 (cdktn-aws 0.3.0).
NEWER_PROVIDER = "6.62.0"
# SageMaker's default on instances without local disks.
DEFAULT_VOLUME_GB = 30
# A serverless endpoint runs in a Lambda-like sandbox without accelerators.
SERVERLESS = Instance(vcpus=6, memory_mib=6144, architecture="x86_64")


class NotInCatalogueError(LookupError):
    """The catalogue has no matching image.

    Attributes:
        field: the setting without a match: `region`, `version` or `instance_type`.
        reason: what is wrong.
        remedy: the available alternatives.
    """

    def __init__(self, field: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.field = field
        self.reason = reason
        self.remedy = remedy


def regions() -> Mapping[str, str]:
    """The AWS regions with the domain of their services."""
    regions: Mapping[str, str] = _images()["regions"]
    return regions


@cache
def instances() -> Mapping[str, Instance]:
    """The instance types of SageMaker endpoints with their hardware."""
    table = _read("instances.json")["instances"]
    return MappingProxyType({name: Instance(**facts) for name, facts in table.items()})


def inference_ami_versions() -> tuple[str, ...]:
    """The inference AMI versions of SageMaker."""
    return tuple(_read("instances.json")["inference_ami_versions"])


def provider_version() -> str:
    """The AWS provider whose accepted values are recorded: the one in the lock files of the stacks."""
    version: str = _read("provider.json")["version"]
    return version


def provider_accepts(argument: str, value: str) -> bool:
    """Whether that AWS provider accepts a value of an argument of `production_variants`."""
    return value in _read("provider.json")["accepted"][argument]


def versions(engine: str, region: str | None = None) -> list[str]:
    """The image versions of an engine, newest first; only those published in `region` if it is set."""
    published = _images()["engines"][engine]["versions"]
    return sorted(
        (
            version
            for version, images in published.items()
            if region is None or any(region in _accounts(image) for image in images)
        ),
        key=_numbers,
        reverse=True,
    )


def release(engine: str, version: str | None) -> str:
    """The image version that a version of the environment file selects; None is the newest."""
    aliases: Mapping[str, str] = _images()["engines"][engine]["aliases"]
    return versions(engine)[0] if version is None else aliases.get(version, version)


def hardware(instance_type: str | None) -> Instance:
    """The hardware of an instance type; None is a serverless endpoint."""
    return SERVERLESS if instance_type is None else instances()[instance_type]


def resolve(engine: str, version: str | None, region: str, instance_type: str | None) -> Image:
    """The image of an engine for a region and an instance type.

    Args:
        engine: name in the catalogue.
        version: one of `versions`, or a prefix of one that AWS publishes as an alias; None is the newest.
        region: an AWS region.
        instance_type: one of `instances`; None is a serverless endpoint.

    Raises:
        NotInCatalogueError: there is no such image.
    """
    published = _images()["engines"][engine]
    available = versions(engine, region)
    if not available:
        offered = sorted({r for v in published["versions"].values() for image in v for r in _accounts(image)})
        raise NotInCatalogueError(
            "region", f"AWS publishes no {engine} image in {region}", f"use one of {', '.join(offered)}"
        )
    release = available[0] if version is None else published["aliases"].get(version, version)
    if release not in available:
        problem = f"is not published in {region}" if release in published["versions"] else "does not exist"
        raise NotInCatalogueError(
            "version",
            f"{engine} image {release} {problem}",
            f"use one of the versions in {region}: {', '.join(available)}",
        )
    instance = hardware(instance_type)
    images = published["versions"][release]
    for image in images:
        if (image["processor"], image["architecture"]) == (instance.processor, instance.architecture):
            return Image(
                uri=f"{_accounts(image)[region]}.dkr.ecr.{region}.{regions()[region]}/{image['image']}",
                version=release,
                cuda=_cuda(image),
            )
    built_for = sorted({f"{image['processor'].upper()} on {image['architecture']}" for image in images})
    raise NotInCatalogueError(
        "instance_type",
        f"{engine} image {release} does not run {f'on {instance_type}' if instance_type else 'serverless'}"
        f" ({instance.processor.upper()} on {instance.architecture})",
        f"use an instance type with {', '.join(built_for)}",
    )


def own_image(engine: str, uri: str, instance: Instance) -> Image:
    """A container image that is not one of AWS.

    The CUDA release of an image for the GPUs of `instance` is in its tag or is that of the AWS image with the
    same name and tag, of which it is a mirror. Otherwise it is assumed to be that of the newest AWS image.
    """
    published = _images()["engines"].get(engine)
    if published is None or not instance.gpus:
        return Image(uri, version="", cuda=None)
    gpu = [
        image
        for version in versions(engine)
        for image in published["versions"][version]
        if image["processor"] == "gpu"
    ]
    in_tag = re.search(r"-cu(\d\d)(\d)\b", uri.rpartition(":")[2])
    cuda = f"{in_tag[1]}.{in_tag[2]}" if in_tag else None
    mirrored = (image["cuda"] for image in gpu if f"/{uri}".endswith(f"/{image['image']}"))
    return Image(uri, version="", cuda=_cuda({"cuda": cuda or next(mirrored, gpu[0]["cuda"])}))


def published_release(engine: str, uri: str) -> str | None:
    """The version of the AWS image with this URI, or of which it is a mirror; None for any other image.

    A mirror has the same name and tag. A tag in a registry of AWS that the catalogue lacks is taken for the
    newest version.
    """
    published = _images()["engines"].get(engine)
    if published is None:
        return None
    accounts: set[str] = set()
    for version in versions(engine):
        for image in published["versions"][version]:
            if f"/{uri}".partition("@")[0].endswith(f"/{image['image']}"):
                return version
            accounts |= {*_accounts(image).values()}
    return release(engine, None) if uri.partition(".")[0] in accounts else None


def is_published(account: str, region: str, image: str) -> bool:
    """Whether the catalogue has an image, as `repository:tag`, in an account's registry in a region."""
    return any(
        published["image"] == image and _accounts(published).get(region) == account
        for engine in _images()["engines"].values()
        for images in engine["versions"].values()
        for published in images
    )


def _accounts(image: Mapping[str, str]) -> Mapping[str, str]:
    """The account of the registry of an image, by region."""
    accounts: Mapping[str, str] = _images()["registries"][image["registry"]]
    return accounts


def _cuda(image: Mapping[str, str]) -> tuple[int, int] | None:
    if "cuda" not in image:
        return None
    major, minor = image["cuda"].split(".")
    return int(major), int(minor)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@cache
def _images() -> Mapping[str, Any]:
    return _read("images.json")


@cache
def _read(name: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return content
