"""The model store: a bucket with a prefix for each model's weights, and their manifests."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit import documents
from toolkit.aws import bodies
from toolkit.aws.access import AwsAccess
from toolkit.errors import PreflightError
from toolkit.staging import digests, uploads
from toolkit.staging.addresses import StagedModel
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.manifest import Manifest, StoredFile
from toolkit.staging.progress import Direction
from toolkit.staging.weights import WeightFile

# An upload that another process completed or aborted is restarted.
_ATTEMPTS = 3


@dataclass(frozen=True)
class ModelStore:
    """One model's weights in the model store.

    Attributes:
        access: the account.
        model: the model and its address.
    """

    access: AwsAccess
    model: StagedModel

    def check(self) -> None:
        """Check that the account owns the bucket: others can guess and claim bucket names.

        Raises:
            PreflightError: another account owns it, or it does not exist.
            botocore.exceptions.ClientError: the request failed.
        """
        account, bucket = self.access.account_id, self.model.bucket
        try:
            self.access.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.NOT_FOUND:
                message = f"account {account} has no model store {bucket}"
                remedy = f"ask an administrator to run `toolkit bootstrap --env {self.model.env}` once"
            elif status == HTTPStatus.FORBIDDEN:
                message = (
                    f"cannot access the model store {bucket}: no permission, or not of account {account}"
                )
                remedy = "grant s3:ListBucket on the bucket (docs/how-to/model-weights.md)"
            else:
                raise
            raise PreflightError(message, remedy=remedy) from error

    def manifest(self) -> Manifest | None:
        """The model's manifest if all its files exist; None otherwise.

        Raises:
            botocore.exceptions.ClientError: the bucket does not exist or is not readable.
        """
        model, get_object = self.model, self.access.s3.get_object
        try:
            content = bodies.read(lambda: get_object(Bucket=model.bucket, Key=model.manifest_key))
        except self.access.s3.exceptions.NoSuchKey:
            return None
        try:
            manifest = Manifest.from_json(content)
        except documents.DamagedError:
            return None  # staged again
        sizes = self._sizes()
        complete = all(sizes.get(file.name) == file.size for file in manifest.files)
        return manifest if complete else None

    def write_manifest(self, manifest: Manifest) -> None:
        """Mark the weights as complete."""
        self.access.s3.put_object(
            Bucket=self.model.bucket,
            Key=self.model.manifest_key,
            Body=manifest.to_json().encode(),
            ContentType="application/json",
        )

    def holds(self, file: WeightFile) -> StoredFile | None:
        """The stored file; None if it is missing or differs."""
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
        """Upload a file, or its missing parts.

        Raises:
            InputError: the file changed meanwhile.
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
