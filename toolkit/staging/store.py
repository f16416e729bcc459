"""The model store: a bucket with each model's weights under a prefix of their own, and their manifests."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.errors import PreflightError
from toolkit.staging import digests, uploads
from toolkit.staging.addresses import StagedModel
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.manifest import Manifest, StoredFile
from toolkit.staging.progress import Direction
from toolkit.staging.weights import WeightFile

# An upload that somebody else finished or ended in between is begun again.
_ATTEMPTS = 3


@dataclass(frozen=True)
class ModelStore:
    """One model's place in the model store.

    Attributes:
        access: the account.
        model: the model and its address.
    """

    access: AwsAccess
    model: StagedModel

    def check(self) -> None:
        """See that the bucket is the account's own: names of buckets can be guessed, and taken by others.

        Raises:
            PreflightError: it is not, or there is none.
            botocore.exceptions.ClientError: AWS could not be asked.
        """
        account, bucket = self.access.account_id, self.model.bucket
        try:
            self.access.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.NOT_FOUND:
                message = f"account {account} has no model store {bucket}"
                remedy = (
                    f"an administrator of the account runs `toolkit bootstrap --env {self.model.env}` once"
                )
            elif status == HTTPStatus.FORBIDDEN:
                message = f"the model store {bucket} is not of account {account}, or you may not look at it"
                remedy = "s3:ListBucket on it is needed (docs/how-to/model-weights.md)"
            else:
                raise
            raise PreflightError(message, remedy=remedy) from error

    def manifest(self) -> Manifest | None:
        """The model's manifest if all that it names is there; None if not, or if there is none.

        Raises:
            botocore.exceptions.ClientError: the bucket is missing or may not be read.
        """
        try:
            answer = self.access.s3.get_object(Bucket=self.model.bucket, Key=self.model.manifest_key)
        except self.access.s3.exceptions.NoSuchKey:
            return None
        try:
            manifest = Manifest.from_json(answer["Body"].read().decode())
        except ValueError:
            return None
        there = self._sizes()
        whole = all(there.get(file.name) == file.size for file in manifest.files)
        return manifest if whole else None

    def write_manifest(self, manifest: Manifest) -> None:
        """Mark the model as complete."""
        self.access.s3.put_object(
            Bucket=self.model.bucket,
            Key=self.model.manifest_key,
            Body=manifest.to_json().encode(),
            ContentType="application/json",
        )

    def holds(self, file: WeightFile) -> StoredFile | None:
        """The file as it lies in the store; None if it does not, or is another one."""
        try:
            head = self.access.s3.head_object(Bucket=self.model.bucket, Key=self.model.prefix + file.name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                return None
            raise
        metadata = head["Metadata"]
        sha256 = metadata.get("sha256")
        same = sha256 == file.sha256 if file.sha256 else metadata.get("git-blob-id") == file.git_blob_id
        if head["ContentLength"] != file.size or sha256 is None or not same:
            return None
        return StoredFile(file.name, file.size, sha256)

    def put(
        self, file: WeightFile, path: Path, executor: Executor, direction: Direction, cancel: CancelToken
    ) -> StoredFile:
        """Upload a file, or what is missing of it.

        Raises:
            InputError: the file was changed meanwhile.
            botocore.exceptions.ClientError: S3 refused.
        """
        sha256 = digests.sha256(path)
        metadata = {"sha256": sha256}
        if file.git_blob_id is not None:
            metadata["git-blob-id"] = file.git_blob_id
        target = uploads.Target(self.access.s3, self.model.bucket, self.model.prefix + file.name, metadata)
        uploads.count_sent_bytes(self.access.s3)
        if file.size <= uploads.PART_BYTES:
            self.access.s3.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=uploads.Body(path.read_bytes(), direction, cancel),
                Metadata=metadata,
                ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode(),
            )
        else:
            self._put_parts(file, uploads.Upload(path, target, executor, direction, cancel))
        return StoredFile(file.name, file.size, sha256)

    def _put_parts(self, file: WeightFile, upload: uploads.Upload) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                upload.run()
            except ClientError as error:
                if error.response["Error"].get("Code") != "NoSuchUpload" or attempt == _ATTEMPTS:
                    raise
            else:
                return
            if self.holds(file):
                return

    def _sizes(self) -> dict[str, int]:
        pages = self.access.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.model.bucket, Prefix=self.model.prefix
        )
        return {
            item["Key"].removeprefix(self.model.prefix): item["Size"]
            for page in pages
            for item in page.get("Contents", [])
        }
