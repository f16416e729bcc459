"""Mistakes between images, instance types and regions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from toolkit.environment.environment import ValidParts
from toolkit.environment.model import ResolvedVariant
from toolkit.environment.problems import MISSING, KeyPath, Problem
from toolkit.environment.serving import CatalogueServing
from toolkit.environment.sources import HubSource, PackageSource, PathSource, S3Source, ServerSource
from toolkit.serving import catalogue, operations
from toolkit.serving.catalogue import Image, NotInCatalogueError
from toolkit.serving.engines import AMI_CUDA, ENGINES, GPU_CUDA

_HOW_TO_PIN = (
    "set the full commit hash of 40 hexadecimal digits, shown on the model's page under Files and versions,"
    " or allow_unpinned: true to load a branch or tag, whose weights can change"
)
_FOR_SERVERLESS = (
    "use an archive such as source: {s3: s3://…/model.tar.gz}, an image that contains them, a hub model that"
    " the engine downloads, or a realtime endpoint"
)
# File formats that llama.cpp reads, and those that the other engines read.
_GGUF, _OTHERS = (".gguf",), (".safetensors", ".bin", ".pt", ".pth")


def check(parts: ValidParts, variant: ResolvedVariant, endpoint_type: str) -> Iterator[Problem]:
    """Check the weights, the image, its operations and the hardware of one variant."""
    serverless = endpoint_type == "serverless"
    yield from _weights(parts, variant, serverless=serverless)
    yield from _operations(variant, in_api=endpoint_type != "async")
    if serverless:
        if variant.instance_type is not None:
            remedy = "remove it, or make the endpoint realtime"
            yield Problem(variant.path("instance_type"), "a serverless endpoint has no instances", remedy)
            return
    elif variant.instance_type is None:
        yield Problem(variant.path("instance_type"), MISSING, "add it, such as instance_type: ml.g6.2xlarge")
        return
    yield from _image(parts, variant)
    yield from _hardware(variant)


def _weights(parts: ValidParts, variant: ResolvedVariant, *, serverless: bool) -> Iterator[Problem]:
    source = variant.source
    if source is None:
        if variant.engine != "custom":
            remedy = "add the source of the weights, such as source: {hub: Qwen/Qwen3-8B, revision: …}"
            yield Problem(variant.path("source"), MISSING, remedy)
        return
    if isinstance(source, ServerSource):
        yield from _server(parts, variant)
        return
    if serverless and (variant.is_staged or (isinstance(source, S3Source) and not source.is_archive)):
        # ContainerDefinition.ModelDataSource in SageMaker's API reference.
        reason = "a serverless endpoint cannot mount weights from the model store"
        yield Problem(variant.path("source"), reason, _FOR_SERVERLESS)
        return
    if parts.target == "local" and variant.engine != "llama_cpp":
        reason = f"the embedded cloud cannot run {variant.engine}"
        remedy = "use llama_cpp, or a running server as source"
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
        remedy = "use package, path, s3 or hub; server requires target: local"
        reason = "a SageMaker endpoint cannot forward requests to another server"
        yield Problem((*variant.path("source"), "server"), reason, remedy)


def _hub(variant: ResolvedVariant, source: HubSource) -> Iterator[Problem]:
    path = variant.path("source")
    if source.staged and source.allow_unpinned:
        remedy = "remove one of them: the path in the model store contains the commit"
        yield Problem((*path, "allow_unpinned"), "staged weights are always pinned", remedy)
    elif not source.is_pinned and not source.allow_unpinned:
        reason = MISSING if source.revision is None else f"{source.revision!r} is not a commit"
        yield Problem((*path, "revision"), reason, _HOW_TO_PIN)
    if source.files is not None and not source.staged:
        remedy = "add staged: true, or remove files: containers choose the files that they download"
        yield Problem((*path, "files"), "requires staged weights", remedy)
    if ENGINES[variant.engine].model is None and not source.staged:
        reason = f"{variant.engine} cannot download models from the Hub"
        remedy = "add staged: true, and run `toolkit model stage`"
        yield Problem((*path, "hub"), reason, remedy)
    elif variant.engine == "llama_cpp" and source.files is None:
        reason = "a GGUF repository contains several models, but llama_cpp serves one file"
        yield Problem(path, reason, 'select it, such as files: ["*Q4_K_M.gguf"]')


def _in_model_store(parts: ValidParts, variant: ResolvedVariant, source: S3Source) -> Iterator[Problem]:
    store = parts.readable_bucket
    if store is not None and not source.s3.startswith(f"s3://{store}/"):
        remedy = f"copy the weights to s3://{store}/, the only bucket that the execution role may read"
        yield Problem((*variant.path("source"), "s3"), f"{source.s3} is not in the model store", remedy)


def _format(variant: ResolvedVariant, source: PackageSource | PathSource) -> Iterator[Problem]:
    file = source.file if isinstance(source, PackageSource) else source.path
    suffix = PurePosixPath(file).suffix.lower()
    accepted = _GGUF if variant.engine == "llama_cpp" else _OTHERS
    if variant.engine == "custom" or suffix in accepted or suffix not in _GGUF + _OTHERS:
        return
    remedy = "use the engine llama_cpp" if suffix in _GGUF else "use a GGUF file or another engine"
    yield Problem(variant.path("serving", "engine"), f"{variant.engine} cannot load {file}", remedy)


def _operations(variant: ResolvedVariant, *, in_api: bool) -> Iterator[Problem]:
    """The image must serve the task of the model; callers of an asynchronous endpoint send what they like."""
    serving = variant.serving
    if not isinstance(serving, CatalogueServing) or serving.release is None:
        # Own images follow the contract, which no check of the file can show.
        return
    tasks = {*operations.OPERATIONS} & {*serving.capabilities()}
    if not tasks and in_api:
        tasks = {"embeddings" if ENGINES[variant.engine].task == "embeddings" else "chat"}
    for task in sorted(tasks - {*variant.operations}):
        served = ", ".join(operations.NAMES[name] for name in variant.operations) or "no operation of the API"
        image = f"AWS's {variant.engine} image {serving.release}"
        reason = f"{image} serves {served}, not {operations.NAMES[task]}"
        newer = operations.first_release(variant.engine, task, serving.variables())
        others = [name for name in operations.engines(task) if name != variant.engine]
        remedies = [
            *([] if newer is None else [f"version {newer} or later"]),
            f"one of the engines {', '.join(others)}",
            "an own image (docs/how-to/own-images.md)",
        ]
        yield Problem(variant.path("serving", "engine"), reason, f"use {', or '.join(remedies)}")


_ECR_IMAGE = re.compile(
    r"\d{12}\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)


def _image(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    if variant.serving.image is not None:
        yield from _own_image(parts, variant)
    try:
        # The region matters only for images of AWS.
        image = None if parts.region is None else variant.image(parts.region)
    except NotInCatalogueError as error:
        paths = {
            "region": variant.path("serving", "engine"),
            "version": variant.path("serving", "version"),
            "instance_type": variant.path(*_hardware_key(variant)),
        }
        yield Problem(paths[error.field], error.reason, error.remedy)
        return
    if image is not None and variant.instance_type is not None:
        yield from _driver(variant, image)


def _driver(variant: ResolvedVariant, image: Image) -> Iterator[Problem]:
    """The CUDA releases of container, driver and GPU must fit, and the provider must accept the AMI."""
    instance = catalogue.hardware(variant.instance_type)
    own = variant.serving.inference_ami_version
    ami_version = variant.inference_ami_version(image)
    needed = GPU_CUDA.get(instance.gpu, (0, 0))
    name = variant.serving.image or f"{variant.engine} image {image.version}"
    about = f"{instance.gpu} GPUs of {variant.instance_type} require CUDA {needed[0]}.{needed[1]}"
    if image.cuda is not None and image.cuda < needed:
        reason = f"{about}, but {name} has {image.cuda[0]}.{image.cuda[1]}"
        yield Problem(variant.path("instance_type"), reason, "use a newer image, or another instance type")
    elif own is not None and AMI_CUDA.get(own, needed) < needed:
        reason = f"{about}, but the driver of {own} is older"
        yield Problem(variant.path("serving", "inference_ami_version"), reason, "remove it")
    elif (
        own is not None
        and image.version
        and image.cuda is not None
        and image.cuda[0] > AMI_CUDA.get(own, image.cuda)[0]
        and ENGINES[variant.engine].forward_compatibility is None
    ):
        reason = f"{name} requires CUDA {image.cuda[0]}.{image.cuda[1]}, but the driver of {own} is older"
        yield Problem(variant.path("serving", "inference_ami_version"), reason, "remove it")
    elif (
        ami_version is not None
        and not catalogue.provider_accepts("inference_ami_version", ami_version)
        and catalogue.provider_accepts("instance_type", str(variant.instance_type))
    ):
        if own is None:
            cuda = "" if image.cuda is None else f" (CUDA {image.cuda[0]}.{image.cuda[1]})"
            reason = f"{name}{cuda} on {variant.instance_type} needs the inference AMI {ami_version}"
            path = variant.path("instance_type")
        else:
            reason, path = f"{own} is a newer inference AMI", variant.path("serving", "inference_ami_version")
        yield _newer_provider(path, reason, "set serving.inference_ami_version to another one")


def _newer_provider(path: KeyPath, reason: str, alternative: str) -> Problem:
    newer = f"move to AWS provider {catalogue.NEWER_PROVIDER} or later with `make provider`"
    reason = f"{reason}, which AWS provider {catalogue.provider_version()} refuses"
    return Problem(path, reason, f"{newer}, or {alternative}")


def _hardware_key(variant: ResolvedVariant) -> tuple[str, ...]:
    return ("instance_type",) if variant.instance_type is not None else ("serving", "engine")


def _own_image(parts: ValidParts, variant: ResolvedVariant) -> Iterator[Problem]:
    image = variant.serving.image or ""
    path = variant.path("serving", "image")
    if parts.target != "aws" or isinstance(variant.source, ServerSource):
        return
    match = _ECR_IMAGE.fullmatch(image)
    if match is None:
        reason = f"{image} is not in Amazon ECR, the only registry that SageMaker reads"
        example = f"123456789012.dkr.ecr.{parts.region or 'us-east-1'}.amazonaws.com/my-server:1.0"
        yield Problem(path, reason, f"push it to Amazon ECR, and use its URI, such as {example}")
    elif parts.region is not None and match["region"] != parts.region:
        reason = f"the image is in {match['region']}, but the environment is in {parts.region}"
        yield Problem(
            path, reason, f"push it to {parts.region} too: SageMaker reads images in its own region only"
        )


def _hardware(variant: ResolvedVariant) -> Iterator[Problem]:
    instance_type = variant.instance_type
    instance = catalogue.hardware(instance_type)
    if instance_type is not None and not catalogue.provider_accepts("instance_type", instance_type):
        reason = f"{instance_type} is a newer instance type"
        yield _newer_provider(variant.path("instance_type"), reason, "use another instance type")
    if instance_type is not None and instance_type.startswith("ml.t2."):
        remedy = "use ml.c7i.large or larger"
        yield Problem(variant.path("instance_type"), "ml.t2 does not support automatic scaling", remedy)
    option = ENGINES[variant.engine].parallelism
    gpus = variant.serving.flags().get(option or "")
    if isinstance(gpus, int) and gpus > instance.gpus:
        reason = f"{gpus} GPUs are requested, but {instance_type} has {instance.gpus}"
        remedy = "remove it to use all GPUs, or use a larger instance type"
        yield Problem(variant.path("serving", "options", str(option)), reason, remedy)
    machine_image = variant.serving.inference_ami_version
    kind = "gpu" if instance.gpus else "neuron" if instance.neuron else "none"
    if machine_image is not None and f"-{kind}-" not in machine_image:
        accelerator = "GPUs" if "-gpu-" in machine_image else "Neuron accelerators"
        reason = (
            f"{machine_image} requires {accelerator}, but {instance_type or 'a serverless endpoint'} has none"
        )
        yield Problem(variant.path("serving", "inference_ami_version"), reason, "remove it")
