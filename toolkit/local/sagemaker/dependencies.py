"""CreateModel's checks in other services: the role, the image and the model data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from moto.ecr.models import ecr_backends

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.controlplane import s3
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker.access import ExecutionRole
from toolkit.local.sagemaker.exceptions import RoleDeniedError
from toolkit.local.service import ACCOUNT_ID

_ECR: Final = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[\w-]+)\.(amazonaws\.com(\.cn)?|on\.aws)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


def check(region: str, request: Members, enforcement: Enforcement) -> None:
    """Check what a new model refers to.

    Raises:
        ApiError: it does not exist, or SageMaker may not use it.
    """
    role = request["ExecutionRoleArn"]
    try:
        ExecutionRole(enforcement, role).require_trust(always=True)
    except RoleDeniedError as error:
        message = (
            f"Could not assume role {role}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )
        raise ApiError("ValidationException", message) from error
    for container in [*request.get("Containers", []), request.get("PrimaryContainer")]:
        if container:
            _check_image(region, container)
            _check_data(region, role, container)


def _check_image(region: str, container: Members) -> None:
    image = container.get("Image")
    if image is None or container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        return
    match = _ECR.fullmatch(image)
    if match is None:
        # aws/sagemaker-python-sdk#4700.
        message = f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.'
        raise ApiError("ValidationException", message)
    # The content of other accounts' registries is not known here.
    if match["account"] == ACCOUNT_ID:
        repository = ecr_backends[ACCOUNT_ID][match["region"] or region].repositories.get(match["repository"])
        images = getattr(repository, "images", [])
        tags = {tag for item in images for tag in item.image_tags}
        digests = {item.image_digest for item in images}
        if (
            repository is None
            or (match["tag"] and match["tag"] not in tags)
            or (match["digest"] and match["digest"] not in digests)
        ):
            raise ApiError("ValidationException", f"Requested image {image} not found.")


def _check_data(region: str, role: str, container: Members) -> None:
    for uri in _data(container):
        bucket, key = urlsplit(uri).netloc, urlsplit(uri).path.removeprefix("/")
        try:
            is_there = bool(s3.find_objects(bucket, key))
        except LookupError:
            is_there = False
        if not is_there:
            message = (
                f"Could not access model data at {uri}. Please ensure that the role {role} exists and that "
                'its trust relationship policy allows the action "sts:AssumeRole" for the service principal '
                '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and '
                f"that the object is located in {region}."
            )
            raise ApiError("ValidationException", message)


def _data(container: Members) -> Iterator[str]:
    if container.get("ModelDataUrl"):
        yield container["ModelDataUrl"]
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source:
        yield source["S3Uri"]
