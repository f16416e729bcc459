"""Mistakes between images, instance types and regions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolkit.environment.checks.parts import Parts
from toolkit.environment.problems import MISSING, Problem
from toolkit.environment.serving import CustomServing
from toolkit.environment.sources import ServerSource
from toolkit.environment.variants import Hosting
from toolkit.serving import catalogue
from toolkit.serving.catalogue import NotInCatalogueError
from toolkit.serving.engines import ENGINES

_ECR_IMAGE = re.compile(
    r"\d{12}\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)


def check(parts: Parts, hosting: Hosting, *, serverless: bool) -> Iterator[Problem]:
    """Mistakes in what one variant runs, and on what."""
    if serverless:
        if hosting.instance_type is not None:
            right = "remove it, or make the endpoint realtime"
            yield Problem(hosting.path("instance_type"), "a serverless endpoint has no instances", right)
            return
    elif hosting.instance_type is None:
        yield Problem(hosting.path("instance_type"), MISSING, "add it, as in instance_type: ml.g6.2xlarge")
        return
    yield from _image(parts, hosting)
    yield from _hardware(hosting)


def _image(parts: Parts, hosting: Hosting) -> Iterator[Problem]:
    serving = hosting.serving
    if isinstance(serving, CustomServing) or serving.image is not None:
        yield from _own_image(parts, hosting)
        return
    if parts.region is None:
        return
    try:
        catalogue.resolve(serving.engine, serving.version, parts.region, hosting.instance_type)
    except NotInCatalogueError as error:
        paths = {
            "region": hosting.path("serving", "engine"),
            "version": hosting.path("serving", "version"),
            "instance_type": hosting.path(*_what_chose_the_hardware(hosting)),
        }
        yield Problem(paths[error.field], error.wrong, error.right)


def _what_chose_the_hardware(hosting: Hosting) -> tuple[str, ...]:
    return ("instance_type",) if hosting.instance_type is not None else ("serving", "engine")


def _own_image(parts: Parts, hosting: Hosting) -> Iterator[Problem]:
    image = hosting.serving.image or ""
    path = hosting.path("serving", "image")
    if parts.target != "aws" or isinstance(hosting.source, ServerSource):
        return
    found = _ECR_IMAGE.fullmatch(image)
    if found is None:
        wrong = f"{image} is not in a registry that SageMaker reads"
        example = f"123456789012.dkr.ecr.{parts.region or 'us-east-1'}.amazonaws.com/my-server:1.0"
        yield Problem(path, wrong, f"push it to Amazon ECR, and name it as {example}")
    elif parts.region is not None and found["region"] != parts.region:
        wrong = f"the image is in {found['region']}, the environment in {parts.region}"
        yield Problem(path, wrong, f"SageMaker reads images of its own region: push it to {parts.region} too")


def _hardware(hosting: Hosting) -> Iterator[Problem]:
    instance_type = hosting.instance_type
    instance = catalogue.hardware(instance_type)
    if instance_type is not None and instance_type.startswith("ml.t2."):
        right = "use ml.c7i.large or larger"
        yield Problem(hosting.path("instance_type"), "ml.t2 cannot be scaled automatically", right)
    option = ENGINES[hosting.engine].parallelism
    wanted = hosting.serving.flags().get(option or "")
    if isinstance(wanted, int) and wanted > instance.gpus:
        wrong = f"{wanted} GPUs are asked for, {instance_type} has {instance.gpus}"
        right = "leave it out to use all there are, or take a larger instance type"
        yield Problem(hosting.path("serving", "options", str(option)), wrong, right)
    machine_image = hosting.serving.inference_ami_version
    kind = "gpu" if instance.gpus else "neuron" if instance.neuron else "none"
    if machine_image is not None and f"-{kind}-" not in machine_image:
        accelerator = "GPUs" if "-gpu-" in machine_image else "Neuron accelerators"
        wrong = (
            f"{machine_image} is for {accelerator}, and {instance_type or 'a serverless endpoint'} has none"
        )
        yield Problem(hosting.path("serving", "inference_ami_version"), wrong, "remove it")
