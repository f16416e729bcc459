"""S3 and SNS with the permissions of the execution role."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from moto.core.exceptions import ServiceException
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from toolkit.local.controlplane import s3
from toolkit.local.sagemaker.access import ExecutionRole
from toolkit.local.sagemaker.exceptions import RoleDeniedError, StorageError
from toolkit.local.service import ACCOUNT_ID

_URI = re.compile(r"s3://([^/]+)/(.+)|https://([^/]+?)\.s3[.-][^/]*/(.+)")


@dataclass(frozen=True)
class RoleAccess:
    """S3 and SNS, as an execution role may use them.

    Attributes:
        role: the execution role.
        region: the endpoint's region.
    """

    role: ExecutionRole
    region: str

    async def read(self, uri: str) -> bytes:
        """Read an object.

        Raises:
            StorageError: it does not exist, or the role may not read it.
        """
        bucket, key = _parts(uri)
        self._require("download", uri, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        try:
            file = next((item for item in s3.find_objects(bucket, key) if item.name == key), None)
        except LookupError as error:
            raise StorageError(f"Could not download {uri}: {error.args[0]}.") from error
        if file is None:
            raise StorageError(f"Could not download {uri}: there is no such object.")
        # Large objects are on disk.
        return await asyncio.to_thread(lambda: file.value)

    async def write(self, uri: str, body: bytes, content_type: str, kms_key: str | None) -> None:
        """Write an object.

        Raises:
            StorageError: S3 or the role does not allow it.
        """
        bucket, key = _parts(uri)
        self._require("upload", uri, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
        backend = s3_backends[ACCOUNT_ID]["aws"]

        def put() -> None:
            encryption = "aws:kms" if kms_key else None
            stored = backend.put_object(bucket, key, body, encryption=encryption, kms_key_id=kms_key)
            stored.set_metadata({"Content-Type": content_type})

        try:
            # In a thread, because moto sends the bucket's notifications from here.
            await asyncio.to_thread(put)
        except ServiceException as error:
            raise StorageError(f"Could not upload {uri}: {error.message}.") from error

    async def publish(self, topic_arn: str, message: str) -> None:
        """Publish a message to a topic.

        Raises:
            StorageError: the topic does not exist, or the role may not publish to it.
        """
        self._require("publish to", topic_arn, "sns:Publish", topic_arn)
        backend = sns_backends[ACCOUNT_ID][self.region]
        if topic_arn not in backend.topics:
            raise StorageError(f"Could not publish to {topic_arn}: Topic does not exist.")
        await asyncio.to_thread(backend.publish, message, topic_arn)

    def _require(self, verb: str, what: str, action: str, resource: str) -> None:
        try:
            self.role.require(action, resource, {})
        except RoleDeniedError as error:
            raise StorageError(f"Could not {verb} {what}: {error}") from error


def _parts(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise StorageError(f"{uri} is not the URI of an S3 object.")
    return match[1] or match[3], match[2] or match[4]
