"""Large files into S3, part by part, going on where an earlier attempt stopped.

boto3's own upload starts a file over. Here the parts that S3 has already are listed with their SHA-256,
and only the others are sent.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import InputError
from toolkit.staging import digests
from toolkit.staging.body import Body
from toolkit.staging.meter import Lane
from toolkit.staging.stop import Stop

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, PartTypeDef

MEBIBYTE = 1024 * 1024
# Small enough to hold some in memory and to lose little by an interruption.
PART_BYTES = 16 * MEBIBYTE
MAX_PARTS = 10_000


def part_bytes(size: int) -> int:
    """The size of parts for a file of `size` bytes: the least that S3's number of parts allows."""
    needed = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-needed // MEBIBYTE) * MEBIBYTE)


@dataclass(frozen=True)
class Target:
    """Where a file is to lie.

    Attributes:
        s3: the client, used by several threads.
        bucket: the bucket.
        key: the object's key. The content that it names never changes.
        metadata: the object's metadata, with the content's `sha256`.
    """

    s3: S3Client
    bucket: str
    key: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Upload:
    """One file on its way.

    Attributes:
        path: the file.
        target: where it is to lie.
        executor: runs the parts.
        lane: told of bytes that were sent, or were there before.
        stop: ends the work.
    """

    path: Path
    target: Target
    executor: Executor
    lane: Lane
    stop: Stop

    def run(self) -> None:
        """Send what is missing and put the parts together; S3 verifies each by its SHA-256.

        Raises:
            InputError: the file was changed meanwhile.
            botocore.exceptions.ClientError: `NoSuchUpload`, if somebody else finished or ended the upload.
        """
        target, size = self.target, self.path.stat().st_size
        step = part_bytes(size)
        upload_id = self._find() or self._create()
        there = self._there(upload_id)
        futures = [
            self.executor.submit(self._part, upload_id, number, offset, min(step, size - offset), there)
            for number, offset in enumerate(range(0, size, step), start=1)
        ]
        try:
            parts = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        if digests.sha256(self.path) != target.metadata["sha256"]:
            raise InputError(f"{self.path} was changed while it was uploaded", remedy="run the command again")
        target.s3.complete_multipart_upload(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    def _find(self) -> str | None:
        """The newest upload of this object that was begun and not finished."""
        target = self.target
        pages = target.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=target.bucket, Prefix=target.key
        )
        begun = [
            (upload["Initiated"], upload["UploadId"])
            for page in pages
            for upload in page.get("Uploads", [])
            if upload["Key"] == target.key and upload.get("ChecksumAlgorithm") == "SHA256"
        ]
        return max(begun)[1] if begun else None

    def _create(self) -> str:
        target = self.target
        return target.s3.create_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            Metadata=dict(target.metadata),
            ChecksumAlgorithm="SHA256",
        )["UploadId"]

    def _there(self, upload_id: str) -> dict[int, PartTypeDef]:
        target = self.target
        pages = target.s3.get_paginator("list_parts").paginate(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id
        )
        return {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}

    def _part(
        self, upload_id: str, number: int, offset: int, size: int, there: Mapping[int, PartTypeDef]
    ) -> CompletedPartTypeDef:
        self.stop.check()
        with self.path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        checksum = b64encode(hashlib.sha256(content).digest()).decode()
        found = there.get(number)
        if found and found["Size"] == size and found.get("ChecksumSHA256") == checksum:
            self.lane.skipped(size)
            etag = found["ETag"]
        else:
            etag = self.target.s3.upload_part(
                Bucket=self.target.bucket,
                Key=self.target.key,
                UploadId=upload_id,
                PartNumber=number,
                Body=Body(content, self.lane, self.stop),
                ChecksumSHA256=checksum,
            )["ETag"]
        return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}
