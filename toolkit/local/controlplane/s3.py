"""moto's S3, extended: large objects in named files, checksums, bucket owners.

moto assembles a multipart upload in memory, several times over, so a model would need a multiple of its size.
Here the parts are joined in a named file, to which a model's directory can link.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from moto.s3 import exceptions, models
from moto.s3.exceptions import S3AccessDeniedError, S3ClientError
from moto.s3.models import S3Backend, s3_backends
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from toolkit.local.service import ACCOUNT_ID

# Smaller objects, such as Terraform's state and Lambda packages, stay in memory.
FILE_BYTES = 4 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
# The property that FileKey overrides.
_VALUE: Any = models.FakeKey.__dict__["value"]


class _Joined:
    """Parts joined in a file, which replaces one large `bytes`."""

    def __init__(self, directory: Path) -> None:
        # Deleted with the object.
        self.file = tempfile.NamedTemporaryFile(dir=directory)  # noqa: SIM115
        self.size = 0
        self.crc32 = 0

    def __len__(self) -> int:
        return self.size

    def append(self, blocks: Iterable[bytes]) -> None:
        """Append content."""
        for block in blocks:
            self.file.write(block)
            self.size += len(block)
            self.crc32 = zlib.crc32(block, self.crc32)
        self.file.flush()


class FileKey(models.FakeKey):
    """An object whose value is in a named file if it is large."""

    directory: Path
    _value_buffer: Any

    def blocks(self) -> Iterator[bytes]:
        """Yield the value in blocks."""
        with self.lock:
            self._value_buffer.seek(0)
            while block := self._value_buffer.read(_BLOCK_BYTES):
                yield block

    @property
    def file(self) -> Path | None:
        """The file with the value, if it is large."""
        buffer = self._value_buffer
        return None if isinstance(buffer, tempfile.SpooledTemporaryFile) else Path(buffer.name)

    @property
    def value(self) -> bytes:
        return bytes(_VALUE.fget(self))

    @value.setter
    def value(self, new_value: bytes | str | _Joined) -> None:
        if not isinstance(new_value, _Joined):
            if isinstance(new_value, str) or len(new_value) < FILE_BYTES:
                _VALUE.fset(self, new_value)
                return
            joined = _Joined(self.directory)
            joined.append([new_value])
            new_value = joined
        self._value_buffer.close()
        self._value_buffer = new_value.file
        self.contentsize = new_value.size


class FileMultipart(models.FakeMultipart):
    """A multipart upload that is joined block by block."""

    def complete(self, body: Iterable[tuple[int, str]]) -> tuple[Any, str, tuple[str, str, int] | None]:
        parts = [self._part(number, etag) for number, etag in body]
        if not parts:
            raise exceptions.MalformedXML
        if any(part.contentsize < S3_UPLOAD_PART_MIN_SIZE for part in parts[:-1]):
            raise exceptions.EntityTooSmall
        digests = b"".join(bytes.fromhex(_plain(part.etag)) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        joined = _Joined(FileKey.directory)
        for part in parts:
            joined.append(part.blocks())
        # moto's requests have reference cycles, which keep the parts.
        gc.collect()
        return joined, etag, self._checksum(parts, joined)

    def _part(self, number: int, etag: str) -> Any:
        part = self.parts.get(number)
        if part is None or _plain(part.etag) != _plain(etag):
            raise exceptions.InvalidPart
        return part

    def _checksum(self, parts: list[Any], joined: _Joined) -> tuple[str, str, int] | None:
        algorithm = self.metadata.get("x-amz-checksum-algorithm")
        kind = self.metadata.get("x-amz-checksum-type") or "COMPOSITE"
        if algorithm is None:
            return None
        if kind == "COMPOSITE":
            sums = b"".join(compute_checksum(part.value, algorithm, encode_base64=False) for part in parts)
            return kind, compute_checksum(sums, algorithm).decode(), len(parts)
        if algorithm != "CRC32":
            # Of the SDKs' default algorithms, the standard library supports CRC32 only.
            return None
        return kind, base64.b64encode(joined.crc32.to_bytes(4, "big")).decode(), 1


def _plain(etag: str) -> str:
    return etag.replace('"', "")


def extend(directory: Path) -> None:
    """Extend moto in this process.

    Args:
        directory: keeps large objects.
    """
    _keep_objects_in(directory)
    _ignore_bucket_policies()
    _check_checksums()
    _check_owners()
    _configure_new_buckets()


def _ignore_bucket_policies() -> None:
    """Store bucket policies without applying them: moto would take "deny without TLS" for "deny"."""

    def get_permission(*_: object) -> Any:
        # A third of the cloud's start-up time, so imported late.
        from moto.iam.access_control import PermissionResult

        return PermissionResult.NEUTRAL

    models.FakeBucket.get_permission = get_permission  # type: ignore[assignment,method-assign]


def _keep_objects_in(directory: Path) -> None:
    """Keep large objects in files in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    FileKey.directory = directory
    models.FakeKey = FileKey  # type: ignore[misc]
    models.FakeMultipart = FileMultipart  # type: ignore[misc]


def find_objects(bucket: str, prefix: str) -> list[FileKey]:
    """The objects of a bucket whose keys start with `prefix`, sorted by key.

    Raises:
        LookupError: the bucket does not exist.
    """
    for account in models.s3_backends.values():
        for backend in account.values():
            if bucket in backend.buckets:
                keys = backend.buckets[bucket].keys
                matching = [key for key in keys.values() if key.name.startswith(prefix)]
                return sorted(
                    (key for key in matching if isinstance(key, FileKey)), key=lambda key: str(key.name)
                )
    raise LookupError(f"bucket {bucket} does not exist")


# Algorithms that the standard library supports.
_ALGORITHMS = ("SHA256", "SHA1", "CRC32")
_Method = Callable[[Any], Any]


class BadDigestError(S3ClientError):
    """The checksum of a body does not match."""

    def __init__(self, algorithm: str) -> None:
        super().__init__("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _check_checksums() -> None:
    """Refuse damaged bodies, and list the checksums of parts."""
    for name in ("put_object", "upload_part"):
        setattr(S3Response, name, _with_checksum(getattr(S3Response, name)))
    S3Response.serialized = _with_part_checksums(S3Response.serialized)  # type: ignore[method-assign,assignment]


def _with_checksum(method: _Method) -> _Method:
    def checked(self: Any) -> Any:
        for algorithm in _ALGORITHMS:
            expected = self.headers.get(f"x-amz-checksum-{algorithm.lower()}")
            if expected and expected != compute_checksum(self.body or b"", algorithm).decode():
                raise BadDigestError(algorithm)
        return method(self)

    return checked


def _with_part_checksums(serialized: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def complete(self: Any, action_result: Any) -> Any:
        if self.data.get("Action") == "ListParts":
            _add_part_checksums(self, action_result.result)
        return serialized(self, action_result)

    return complete


def _add_part_checksums(response: Any, listing: dict[str, Any]) -> None:
    multipart = response.backend.get_bucket(response.bucket_name).multiparts[listing["UploadId"]]
    algorithm = multipart.metadata.get("x-amz-checksum-algorithm")
    listing["ChecksumAlgorithm"] = algorithm
    if algorithm != "SHA256":
        return
    for item in listing["Parts"]:
        digest = hashlib.sha256()
        for block in multipart.parts[item["PartNumber"]].blocks():
            digest.update(block)
        item["ChecksumSHA256"] = b64encode(digest.digest()).decode()


OWNER_HEADER = "x-amz-expected-bucket-owner"


def _check_owners() -> None:
    """Refuse requests for a bucket whose owner is not the one that the client expects."""
    authorize = S3Response._authenticate_and_authorize_s3_action
    S3Response._authenticate_and_authorize_s3_action = _with_owner(authorize)  # type: ignore[method-assign]


def _with_owner(authorize: Callable[..., None]) -> Callable[..., None]:
    def checked(self: Any, *arguments: Any, **keywords: Any) -> None:
        if self.headers.get(OWNER_HEADER, self.current_account) != self.current_account:
            raise S3AccessDeniedError
        authorize(self, *arguments, **keywords)

    return checked


def has_buckets() -> bool:
    """Whether there is an S3 bucket: Terraform's state is in one, so without it nothing is deployed."""
    return any(backend.buckets for backend in s3_backends[ACCOUNT_ID].values())


_ENCRYPTION = {
    "Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}
}


def _configure_new_buckets() -> None:
    """Give new buckets AWS's defaults since April 2023: encrypted, without public access and ACLs."""
    create_bucket, get_bucket_encryption = S3Backend.create_bucket, S3Backend.get_bucket_encryption
    original_part = S3Backend.upload_part

    def create(self: S3Backend, *arguments: Any, **keywords: Any) -> models.FakeBucket:
        bucket = create_bucket(self, *arguments, **keywords)
        bucket.public_access_block = models.PublicAccessBlock("true", "true", "true", "true")
        bucket.ownership_rule = "BucketOwnerEnforced"  # type: ignore[assignment]
        return bucket

    def encryption(self: S3Backend, bucket_name: str) -> dict[str, Any]:
        # Encryption cannot be switched off.
        return get_bucket_encryption(self, bucket_name) or _ENCRYPTION

    def upload_part(self: S3Backend, bucket_name: str, multipart_id: str, part_id: int, value: bytes) -> Any:
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise exceptions.NoSuchUpload(multipart_id)
        return original_part(self, bucket_name, multipart_id, part_id, value)

    S3Backend.upload_part = upload_part  # type: ignore[method-assign]
    S3Backend.create_bucket = create  # type: ignore[method-assign]
    S3Backend.get_bucket_encryption = encryption  # type: ignore[method-assign]
