"""Uploads to S3 that report progress, can be cancelled, and resume part by part.

boto3's transfer manager restarts a file. Here the parts that S3 already has are listed with their SHA-256,
and only the missing ones are sent.
"""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import InputError
from toolkit.staging import digests
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, PartTypeDef

MEBIBYTE = 1024 * 1024
# Small enough to hold several in memory and to lose little on interruption.
PART_BYTES = 16 * MEBIBYTE
MAX_PARTS = 10_000


class Body(io.BytesIO):
    """A request body that reports the bytes sent and stops on cancellation.

    Args:
        content: the body.
        direction: counts bytes as they are sent; a negative count if they must be sent again.
        cancel: stops the request.
    """

    def __init__(self, content: bytes, direction: Direction, cancel: CancelToken) -> None:
        super().__init__(content)
        self._direction = direction
        self._sent: int | None = None
        self._cancel = cancel

    def begin(self) -> None:
        """Start counting: a request begins, for the first time or as a retry."""
        if self._sent:
            self._direction.moved(-self._sent)
        self._sent = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._cancel.check()
        block = super().read(size)
        if self._sent is not None:
            self._sent += len(block)
            self._direction.moved(len(block))
        return block


def count_sent_bytes(s3: S3Client) -> None:
    """Start the count of each Body when its request is sent: botocore also reads bodies to sign them."""
    for operation in ("PutObject", "UploadPart"):
        s3.meta.events.register(f"before-send.s3.{operation}", _begin, unique_id=f"toolkit-{operation}")


def _begin(request: Any, **_: object) -> None:
    if isinstance(request.body, Body):
        request.body.begin()


def part_bytes(size: int) -> int:
    """The smallest part size from PART_BYTES on that S3's limit of 10,000 parts allows for `size` bytes."""
    needed = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-needed // MEBIBYTE) * MEBIBYTE)


@dataclass(frozen=True)
class Target:
    """An object to upload.

    Attributes:
        s3: the client, shared by several threads.
        bucket: the bucket.
        key: the object's key, always of the same content.
        metadata: the object's metadata, with the content's `sha256`.
    """

    s3: S3Client
    bucket: str
    key: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Upload:
    """A multipart upload of one file.

    Attributes:
        path: the file.
        target: the object.
        executor: runs the parts.
        direction: counts bytes sent, or already in S3.
        cancel: stops the work.
    """

    path: Path
    target: Target
    executor: Executor
    direction: Direction
    cancel: CancelToken

    def run(self) -> None:
        """Send the missing parts and complete the upload; S3 verifies each part by its SHA-256.

        Raises:
            InputError: the file changed meanwhile.
            botocore.exceptions.ClientError: `NoSuchUpload` if another process completed or aborted it.
        """
        target, size = self.target, self.path.stat().st_size
        step = part_bytes(size)
        upload_id = self._find() or self._create()
        uploaded = self._uploaded_parts(upload_id)
        futures = [
            self.executor.submit(self._part, upload_id, number, offset, min(step, size - offset), uploaded)
            for number, offset in enumerate(range(0, size, step), start=1)
        ]
        try:
            parts = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        if digests.sha256(self.path) != target.metadata["sha256"]:
            raise InputError(f"{self.path} changed during its upload", remedy="run the command again")
        target.s3.complete_multipart_upload(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    def _find(self) -> str | None:
        """The newest unfinished upload of this object."""
        target = self.target
        pages = target.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=target.bucket, Prefix=target.key
        )
        unfinished = [
            (upload["Initiated"], upload["UploadId"])
            for page in pages
            for upload in page.get("Uploads", [])
            if upload["Key"] == target.key and upload.get("ChecksumAlgorithm") == "SHA256"
        ]
        return max(unfinished)[1] if unfinished else None

    def _create(self) -> str:
        target = self.target
        return target.s3.create_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            Metadata=dict(target.metadata),
            ChecksumAlgorithm="SHA256",
        )["UploadId"]

    def _uploaded_parts(self, upload_id: str) -> dict[int, PartTypeDef]:
        target = self.target
        pages = target.s3.get_paginator("list_parts").paginate(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id
        )
        return {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}

    def _part(
        self, upload_id: str, number: int, offset: int, size: int, uploaded: Mapping[int, PartTypeDef]
    ) -> CompletedPartTypeDef:
        self.cancel.check()
        with self.path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        checksum = b64encode(hashlib.sha256(content).digest()).decode()
        part = uploaded.get(number)
        if part and part["Size"] == size and part.get("ChecksumSHA256") == checksum:
            self.direction.skipped(size)
            etag = part["ETag"]
        else:
            etag = self.target.s3.upload_part(
                Bucket=self.target.bucket,
                Key=self.target.key,
                UploadId=upload_id,
                PartNumber=number,
                Body=Body(content, self.direction, self.cancel),
                ChecksumSHA256=checksum,
            )["ETag"]
        return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}
