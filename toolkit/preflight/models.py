"""The needs of a model: its image, driver, weights, disk and memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from toolkit import staging
from toolkit.aws import state_bucket as buckets
from toolkit.deployment import fit
from toolkit.deployment.context import Context
from toolkit.environment import HubSource, ResolvedVariant, S3Source, ServerSource
from toolkit.preflight.results import Result, Status
from toolkit.serving import catalogue
from toolkit.serving.catalogue import NotInCatalogueError
from toolkit.serving.engines import AMI_CUDA, ENGINES
from toolkit.staging.progress import size_text

_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[\w-]+)\.[\w.]+/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)
# SageMaker's volume unless the file sets its size, where instances have no local disks.
_DEFAULT_DISK_GB = 30
_NEARLY_FULL = 0.9


def state_bucket(context: Context) -> Iterator[Result]:
    """Whether the state bucket exists."""
    environment, bucket = context.environment, context.environment.state_bucket
    try:
        exists = buckets.exists(context.access, bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        yield _forbidden("state", bucket, "account.state.bucket")
        return
    if exists:
        yield Result("state", "ok", f"the state bucket {bucket} exists")
    else:
        remedy = f"an administrator of the account runs `toolkit bootstrap --env {environment.name}` once"
        yield Result("state", "failure", f"the state bucket {bucket} does not exist", remedy)


def _forbidden(check: str, bucket: str, key: str) -> Result:
    # A HEAD request has no reason.
    detail = f"access to {bucket} is denied: no permission, or a bucket of another account"
    return Result(check, "unknown", detail, f"grant s3:ListBucket on it, or set {key}")


def _variants(context: Context) -> list[ResolvedVariant]:
    models = context.environment.models.items()
    variants = [variant for name, model in models for variant in model.all_resolved(name)]
    return [variant for variant in variants if not isinstance(variant.source, ServerSource)]


def images(context: Context) -> Iterator[Result]:
    """Whether each image is in its registry, of the account, of AWS or of another account."""
    uris = dict.fromkeys(variant.image(context.environment.region).uri for variant in _variants(context))
    for uri in uris:
        yield _image(context, uri)


def _image(context: Context, uri: str) -> Result:
    match = _IMAGE.fullmatch(uri)
    if match is None:
        return Result("image", "unknown", f"{uri} is not in Amazon ECR")
    image = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
    missing = f"{uri} does not exist"
    remedy = (
        "push it, or correct serving.image"
        if match["registry"] == context.access.account_id
        else ("correct serving.version or serving.image")
    )
    try:
        response: Any = context.access.ecr.batch_get_image(
            registryId=match["registry"], repositoryName=match["repository"], imageIds=[image]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "RepositoryNotFoundException":
            return Result("image", "failure", missing, remedy)
        if "resource-based policy" in error.response["Error"]["Message"]:
            registry = match["registry"]
            detail = f"{uri} does not exist, or account {registry} does not share it"
            shared = f"let account {registry} allow ecr:BatchGetImage in the repository's policy"
            return Result("image", "failure", detail, shared)
        raise
    return (
        Result("image", "ok", f"{uri} exists")
        if response["images"]
        else Result("image", "failure", missing, remedy)
    )


def drivers(context: Context) -> Iterator[Result]:
    """Whether the inference AMI's driver runs the CUDA release of the image. Needs no network."""
    for variant in _variants(context):
        if variant.instance_type is None or not catalogue.hardware(variant.instance_type).gpus:
            continue
        try:
            image = variant.image(context.environment.region)
        except NotInCatalogueError as error:
            yield Result("driver", "failure", str(error), error.remedy)
            continue
        yield _driver(variant, image)


def _driver(variant: ResolvedVariant, image: catalogue.Image) -> Result:
    ami = variant.inference_ami_version(image)
    driver = None if ami is None else AMI_CUDA.get(ami)
    name = f"{variant.model} on {variant.instance_type}"
    if image.cuda is None:
        detail = f"{name}: only the author of {image.uri} knows its CUDA release"
        return Result("driver", "unknown", detail, "set serving.inference_ami_version to one that it needs")
    needed = f"{name}: the image has CUDA {image.cuda[0]}.{image.cuda[1]}"
    if driver is None:
        return Result("driver", "ok", f"{needed}, SageMaker's default AMI")
    has = f"{needed}, the driver of {ami} CUDA {driver[0]}.{driver[1]}"
    if image.cuda[0] > driver[0] and ENGINES[variant.engine].forward_compatibility is None:
        remedy = f"remove {'.'.join(map(str, variant.path('serving', 'inference_ami_version')))}"
        return Result("driver", "failure", has, remedy)
    return Result("driver", "ok", has)


def weights(context: Context) -> Iterator[Result]:
    """Whether the weights are in the model store, complete and with checksums."""
    bucket = context.environment.model_store_bucket
    try:
        stored = staging.inventory(context.access, context.project, context.environment)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("403", "AccessDenied"):
            raise
        yield Result(
            "weights", "unknown", f"cannot read {bucket}", "grant s3:ListBucket and s3:GetObject on it"
        )
        return
    variants = staging.variants_with_weights(context.environment)
    for model in stored:
        source = variants[model.model].source
        if isinstance(source, S3Source):
            yield _in_s3(context, model.model, source)
        elif model.staged is None:
            yield Result("weights", "ok", f"{model.model}: {model.note}")
        elif model.manifest is not None:
            files = (
                f"{len(model.manifest.files)} files, {size_text(model.manifest.size)}, each with its SHA-256"
            )
            yield Result("weights", "ok", f"{model.model}: {files}, in {model.uri}")
        elif model.note is not None:
            yield Result("weights", "failure", f"{model.model}: {model.note}", "correct the source")
        elif isinstance(source, HubSource):
            command = f"toolkit model stage --env {context.environment.name} {model.model}"
            yield Result(
                "weights", "failure", f"{model.model}: not complete in {model.uri}", f"run `{command}`"
            )
        else:
            yield Result("weights", "ok", f"{model.model}: the apply uploads them to {model.uri}")


def _in_s3(context: Context, name: str, source: S3Source) -> Result:
    bucket, _, prefix = source.s3.removeprefix("s3://").partition("/")
    try:
        objects = context.access.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents")
    except context.access.s3.exceptions.NoSuchBucket:
        objects = None
    if not objects:
        return Result(
            "weights",
            "failure",
            f"{name}: nothing is at {source.s3}",
            "upload the weights, or correct the source",
        )
    return Result("weights", "ok", f"{name}: {source.s3} exists; its content is not compared")


def disks(context: Context) -> Iterator[Result]:
    """Whether the weights fit the disk of their instances."""
    try:
        stored = staging.inventory(context.access, context.project, context.environment)
    except ClientError:
        # The check of the weights says why.
        yield Result("disk", "unknown", "the size of the weights is unknown")
        return
    sizes = {model.model: model.manifest.size for model in stored if model.manifest is not None}
    for variant in _variants(context):
        model = context.environment.models[variant.model]
        size = sizes.get(variant.weights)
        if variant.instance_type is None or size is None:
            continue
        yield disk(variant, model.volume_size_gb, size)


def disk(variant: ResolvedVariant, volume_gb: int | None, size: int) -> Result:
    """Whether weights of this size fit the instances' own disks, or their volume."""
    own = catalogue.hardware(variant.instance_type).disk_gb
    total = own or volume_gb or _DEFAULT_DISK_GB
    detail = f"{variant.model}: {size_text(size)} on {total} GB of {variant.instance_type}"
    remedy = "use a larger instance type" if own else f"raise models.{variant.model}.volume_size_gb"
    if size > total * 1e9:
        return Result("disk", "failure", detail, remedy)
    if size > total * 1e9 * _NEARLY_FULL:
        return Result("disk", "warning", detail, remedy)
    return Result("disk", "ok", detail)


def memory(context: Context) -> Iterator[Result]:
    """Whether the models fit and start (ADR 41)."""
    statuses: dict[str, Status] = {"fits": "ok", "tight": "warning", "does_not_fit": "failure"}
    find = fit.anywhere(context.project, context.environment, lambda: context.access)
    for item in fit.check(context.environment, find):
        estimate = item.estimate
        status = statuses.get(estimate.verdict, "unknown")
        where = item.instance_type or "serverless"
        yield Result("memory", status, f"{item.name} on {where}: {estimate.reason}", estimate.remedy)
