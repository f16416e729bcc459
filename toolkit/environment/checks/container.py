"""Mistakes between images, instance types and regions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from toolkit.environment.environment import ValidParts
from toolkit.environment.model import ResolvedVariant
from toolkit.environment.problems import MISSING, Problem
from toolkit.environment.serving import CustomServing
from toolkit.environment.sources import HubSource, PackageSource, PathSource, S3Source, ServerSource
from toolkit.serving import catalogue
from toolkit.serving.catalogue import NotInCatalogueError
from toolkit.serving.engines import ENGINES

_HOW_TO_PIN = (
    "pin the full commit: 40 hexadecimal digits, from the model's page under Files and versions;"
    " a branch or tag may be another model tomorrow, which allow_unpinned: true takes"
)
# Formats of weights that one kind of engine reads and the other does not.
_GGUF, _OTHERS = (".gguf",), (".safetensors", ".bin", ".pt", ".pth")


def check(parts: ValidParts, variant: ResolvedVariant, *, serverless: bool) -> Iterator[Problem]:
    """Check the weights, the image and the hardware of one variant."""
    yield from _weights(parts, variant)
    if serverless:
        if variant.instance_type is not None:
            remedy = "remove it, or make the endpoint realtime"
            yield Problem(variant.path("instance_type"), "a serverless endpoint has no instances", remedy)
            return
    elif variant.instance_type is None:
        yield Problem(variant.path("instance_type"), MISSING, "add it, as in instance_type: ml.g6.2xlarge")
        return
    yield from _image(parts, variant)
    yield from _hardware(variant)


def _weights(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    source = variant.source
    if source is None:
        if variant.engine != "custom":
            remedy = "say where the weights come from, as in source: {hub: Qwen/Qwen3-8B, revision: …}"
            yield Problem(variant.path("source"), MISSING, remedy)
        return
    if isinstance(source, ServerSource):
        yield from _server(parts, variant)
        return
    if parts.target == "local" and variant.engine != "llama_cpp":
        reason = f"the embedded cloud cannot run {variant.engine}"
        remedy = "use llama_cpp, or a server that runs already as source"
        yield Problem(variant.path("serving", "engine"), reason, remedy)
        return
    if isinstance(source, HubSource):
        yield from _hub(variant, source)
    elif isinstance(source, S3Source):
        yield from _in_model_store(parts, variant, source)
    else:
        yield from _format(variant, source)


def _server(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    if parts.target == "aws":
        remedy = "use package, path, s3 or hub; server is for target: local"
        reason = "a SageMaker endpoint cannot hand on to another server"
        yield Problem((*variant.path("source"), "server"), reason, remedy)


def _hub(variant: ResolvedVariant, source: HubSource) -> Iterator[Problem]:
    path = variant.path("source")
    if source.staged and source.allow_unpinned:
        remedy = "remove one: the weights' place in the model store is made of the commit"
        yield Problem((*path, "allow_unpinned"), "staged weights are always pinned", remedy)
    elif not source.is_pinned and not source.allow_unpinned:
        reason = MISSING if source.revision is None else f"{source.revision!r} is not a commit"
        yield Problem((*path, "revision"), reason, _HOW_TO_PIN)
    if source.files is not None and not source.staged:
        remedy = "add staged: true, or remove it: a container chooses by itself what it loads from the hub"
        yield Problem((*path, "files"), "is for staged weights", remedy)
    if ENGINES[variant.engine].model is None and not source.staged:
        reason = f"{variant.engine} cannot load a model from the hub by itself"
        remedy = "add staged: true, and stage the weights with `toolkit model stage`"
        yield Problem((*path, "hub"), reason, remedy)
    elif variant.engine == "llama_cpp" and source.files is None:
        reason = "a repository of GGUF files has many of them, and one is served"
        yield Problem(path, reason, 'name it in files, as in files: ["*Q4_K_M.gguf"]')


def _in_model_store(parts: ValidParts, variant: ResolvedVariant, source: S3Source) -> Iterator[Problem]:
    store = parts.readable_bucket
    if store is not None and not source.s3.startswith(f"s3://{store}/"):
        remedy = f"the execution role reads nothing else: copy the weights to s3://{store}/"
        yield Problem((*variant.path("source"), "s3"), f"{source.s3} is not in the model store", remedy)


def _format(variant: ResolvedVariant, source: PackageSource | PathSource) -> Iterator[Problem]:
    file = source.file if isinstance(source, PackageSource) else source.path
    suffix = PurePosixPath(file).suffix.lower()
    wanted = _GGUF if variant.engine == "llama_cpp" else _OTHERS
    if variant.engine == "custom" or suffix in wanted or suffix not in _GGUF + _OTHERS:
        return
    remedy = (
        "serve it with llama_cpp" if suffix in _GGUF else "give a GGUF file, or serve it with another engine"
    )
    yield Problem(variant.path("serving", "engine"), f"{variant.engine} cannot load {file}", remedy)


_ECR_IMAGE = re.compile(
    r"\d{12}\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)


def _image(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    serving = variant.serving
    if isinstance(serving, CustomServing) or serving.image is not None:
        yield from _own_image(parts, variant)
        return
    if parts.region is None:
        return
    try:
        catalogue.resolve(serving.engine, serving.version, parts.region, variant.instance_type)
    except NotInCatalogueError as error:
        paths = {
            "region": variant.path("serving", "engine"),
            "version": variant.path("serving", "version"),
            "instance_type": variant.path(*_what_chose_the_hardware(variant)),
        }
        yield Problem(paths[error.field], error.reason, error.remedy)


def _what_chose_the_hardware(variant: ResolvedVariant) -> tuple[str, ...]:
    return ("instance_type",) if variant.instance_type is not None else ("serving", "engine")


def _own_image(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    image = variant.serving.image or ""
    path = variant.path("serving", "image")
    if parts.target != "aws" or isinstance(variant.source, ServerSource):
        return
    found = _ECR_IMAGE.fullmatch(image)
    if found is None:
        reason = f"{image} is not in a registry that SageMaker reads"
        example = f"123456789012.dkr.ecr.{parts.region or 'us-east-1'}.amazonaws.com/my-server:1.0"
        yield Problem(path, reason, f"push it to Amazon ECR, and name it as {example}")
    elif parts.region is not None and found["region"] != parts.region:
        reason = f"the image is in {found['region']}, the environment in {parts.region}"
        yield Problem(
            path, reason, f"SageMaker reads images of its own region: push it to {parts.region} too"
        )


def _hardware(variant: ResolvedVariant) -> Iterator[Problem]:
    instance_type = variant.instance_type
    instance = catalogue.hardware(instance_type)
    if instance_type is not None and instance_type.startswith("ml.t2."):
        remedy = "use ml.c7i.large or larger"
        yield Problem(variant.path("instance_type"), "ml.t2 cannot be scaled automatically", remedy)
    option = ENGINES[variant.engine].parallelism
    wanted = variant.serving.flags().get(option or "")
    if isinstance(wanted, int) and wanted > instance.gpus:
        reason = f"{wanted} GPUs are asked for, {instance_type} has {instance.gpus}"
        remedy = "leave it out to use all there are, or take a larger instance type"
        yield Problem(variant.path("serving", "options", str(option)), reason, remedy)
    machine_image = variant.serving.inference_ami_version
    kind = "gpu" if instance.gpus else "neuron" if instance.neuron else "none"
    if machine_image is not None and f"-{kind}-" not in machine_image:
        accelerator = "GPUs" if "-gpu-" in machine_image else "Neuron accelerators"
        reason = (
            f"{machine_image} is for {accelerator}, and {instance_type or 'a serverless endpoint'} has none"
        )
        yield Problem(variant.path("serving", "inference_ami_version"), reason, "remove it")
