"""S3's checksums: moto notes those that a client sends, AWS compares them and lists those of parts.

Who resumes a multipart upload decides by the listed checksums which parts need not be sent again.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.s3.utils import compute_checksum

# Those that need no further library.
_ALGORITHMS = ("SHA256", "SHA1", "CRC32")
_Method = Callable[[Any], Any]


class BadDigestError(S3ClientError):
    """A body that is not what its checksum says."""

    def __init__(self, algorithm: str) -> None:
        super().__init__("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def apply() -> None:
    """Make moto refuse bodies that were damaged on the way, and list the checksums of parts."""
    for name in ("put_object", "upload_part"):
        setattr(S3Response, name, _checked(getattr(S3Response, name)))
    S3Response.serialized = _with_part_checksums(S3Response.serialized)  # type: ignore[method-assign,assignment]


def _checked(method: _Method) -> _Method:
    def checked(self: Any) -> Any:
        for algorithm in _ALGORITHMS:
            promised = self.headers.get(f"x-amz-checksum-{algorithm.lower()}")
            if promised and promised != compute_checksum(self.body or b"", algorithm).decode():
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
