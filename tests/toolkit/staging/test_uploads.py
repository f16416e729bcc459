"""Large files in parts, against the embedded cloud's S3."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.support import interrupts
from tests.support.access import root_settings
from tests.support.handlers import handling
from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError
from toolkit.staging import digests, uploads
from toolkit.staging.cancellation import Cancelled, CancelToken
from toolkit.staging.progress import Direction

# S3's minimum, except for the last part.
PART = 5 * 1024 * 1024
KEY = "m/0123456789abcdef/weights.gguf"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", PART)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of four different parts."""
    return make_file(tmp_path / "weights.gguf", 3 * PART + 1000)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """One part at a time, so that tests control how many are sent."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def make_file(path: Path, size: int) -> Path:
    path.write_bytes(hashlib.shake_128(path.name.encode()).digest(size))
    return path


def direction() -> Direction:
    return Direction("uploaded", 1, lambda: None, time.monotonic)


def upload(
    access: AwsAccess,
    bucket: str,
    path: Path,
    executor: ThreadPoolExecutor,
    cancel: CancelToken | None = None,
) -> uploads.Upload:
    target = uploads.Target(access.s3, bucket, KEY, {"sha256": digests.sha256(path)})
    uploads.count_sent_bytes(access.s3)
    return uploads.Upload(path, target, executor, direction(), cancel or CancelToken())


def parts_sent(requests: list[tuple[str, dict[str, Any]]]) -> list[int]:
    return [params["PartNumber"] for name, params in requests if name == "UploadPart"]


def stored(access: AwsAccess, bucket: str) -> str:
    """Return the SHA-256 of a stored object."""
    content = access.s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_stored_completely(
    access: AwsAccess, bucket: str, weights: Path, executor: ThreadPoolExecutor
) -> None:
    sending = upload(access, bucket, weights, executor)
    sending.run()
    assert stored(access, bucket) == digests.sha256(weights)
    head = access.s3.head_object(Bucket=bucket, Key=KEY)
    assert head["Metadata"]["sha256"] == digests.sha256(weights)
    assert str(sending.direction).startswith("uploaded 15 MiB")


def test_an_interrupted_upload_resumes(
    access: AwsAccess,
    bucket: str,
    weights: Path,
    executor: ThreadPoolExecutor,
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    cancel = CancelToken()

    def interrupt(params: dict[str, Any], **_: object) -> None:
        if params["PartNumber"] == 3:
            cancel.cancel()

    with handling(access.s3, "provide-client-params.s3.UploadPart", interrupt), pytest.raises(Cancelled):
        upload(access, bucket, weights, executor, cancel).run()
    requests.clear()

    upload(access, bucket, weights, executor).run()

    assert parts_sent(requests) == [3, 4]
    assert stored(access, bucket) == digests.sha256(weights)
    assert "Uploads" not in access.s3.list_multipart_uploads(Bucket=bucket)


KILLED = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from toolkit.aws.access import AwsAccess
from toolkit.staging import digests, uploads
from toolkit.staging.progress import Direction
from toolkit.staging.cancellation import CancelToken

endpoint, bucket, key, path = sys.argv[1:]
uploads.PART_BYTES = 5 * 1024 * 1024
access = AwsAccess(region="us-east-1", account_id="123456789012", endpoint_url=endpoint)
target = uploads.Target(access.s3, bucket, key, {"sha256": digests.sha256(Path(path))})
def hold(params, **_):
    if params["PartNumber"] == 3:
        print("holding", flush=True)
        time.sleep(600)
access.s3.meta.events.register("provide-client-params.s3.UploadPart", hold)
with ThreadPoolExecutor(1) as executor:
    direction = Direction("uploaded", 1, lambda: None, time.monotonic)
    uploads.Upload(Path(path), target, executor, direction, CancelToken()).run()
"""


@pytest.mark.slow
def test_the_upload_of_a_killed_process_resumes(
    access: AwsAccess,
    bucket: str,
    weights: Path,
    executor: ThreadPoolExecutor,
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    process = interrupts.start(
        KILLED, str(access.endpoint_url), bucket, KEY, str(weights), **root_settings(access)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    process.kill()
    process.communicate()

    upload(access, bucket, weights, executor).run()

    assert parts_sent(requests) == [3, 4]
    assert stored(access, bucket) == digests.sha256(weights)


def test_a_part_with_other_content_is_replaced(
    access: AwsAccess,
    bucket: str,
    weights: Path,
    executor: ThreadPoolExecutor,
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    unfinished = access.s3.create_multipart_upload(Bucket=bucket, Key=KEY, ChecksumAlgorithm="SHA256")
    content = weights.read_bytes()
    for number, part in ((1, content[:PART]), (2, b"x" * PART), (3, content[2 * PART : 2 * PART + 100])):
        access.s3.upload_part(
            Bucket=bucket, Key=KEY, UploadId=unfinished["UploadId"], PartNumber=number, Body=part
        )
    requests.clear()

    upload(access, bucket, weights, executor).run()

    assert parts_sent(requests) == [2, 3, 4]
    assert stored(access, bucket) == digests.sha256(weights)


def test_uploads_of_other_objects_are_not_touched(
    access: AwsAccess, bucket: str, weights: Path, executor: ThreadPoolExecutor
) -> None:
    other = access.s3.create_multipart_upload(Bucket=bucket, Key=f"{KEY}.old", ChecksumAlgorithm="SHA256")
    upload(access, bucket, weights, executor).run()
    uploads = access.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["UploadId"] for upload in uploads] == [other["UploadId"]]


def test_an_upload_of_a_changing_file_is_not_completed(
    access: AwsAccess, bucket: str, weights: Path, executor: ThreadPoolExecutor
) -> None:
    sending = upload(access, bucket, weights, executor)
    weights.write_bytes(b"!" + weights.read_bytes()[1:])
    with pytest.raises(InputError, match="changed"):
        sending.run()
    with pytest.raises(ClientError, match="404"):
        access.s3.head_object(Bucket=bucket, Key=KEY)


def test_a_retried_body_counts_once(
    access: AwsAccess, bucket: str, weights: Path, executor: ThreadPoolExecutor
) -> None:
    failed: list[object] = []

    def fail_once(request: Any, **_: object) -> None:
        if not failed:
            failed.append(request)
            request.body.read()
            raise ConnectionClosedError(endpoint_url=request.url)

    uploads.count_sent_bytes(access.s3)
    sending = upload(access, bucket, weights, executor)
    with handling(access.s3, "before-send.s3.UploadPart", fail_once, last=True):
        sending.run()
    assert failed
    assert str(sending.direction).startswith("uploaded 15 MiB")


def test_s3_rejects_a_corrupt_part(access: AwsAccess, bucket: str) -> None:
    with pytest.raises(ClientError, match="BadDigest"):
        access.s3.put_object(Bucket=bucket, Key=KEY, Body=b"damaged", ChecksumSHA256=json.dumps("x"))


@pytest.mark.parametrize(
    ("size", "parts"),
    [(1, 1), (16 << 20, 1), (15_000 * (16 << 20), 10_000), (5 << 40, 10_000)],
)
def test_part_sizes_respect_the_limit_of_s3(monkeypatch: pytest.MonkeyPatch, size: int, parts: int) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 16 << 20)
    assert uploads.part_bytes(size) >= 16 << 20
    assert -(-size // uploads.part_bytes(size)) <= parts
