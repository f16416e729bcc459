"""S3 objects, through boto3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.support.cloud import Aws, eventually
from toolkit.local import client
from toolkit.project import Project

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def s3(aws: Aws) -> Any:
    s3 = aws("s3")
    s3.create_bucket(Bucket="objects")
    return s3


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("big") / "file"
    file.write_bytes(os.urandom(MEGABYTE) * 40 + b"end")
    return file


def stored(project: Project) -> list[int]:
    """Sizes of the files of large objects."""
    return sorted(file.stat().st_size for file in (project.local_cloud / "run").glob("*/objects/*"))


def memory(project: Project) -> int:
    status = client.status(project)
    assert status is not None
    return status.memory_bytes


@pytest.mark.parametrize("kind", ["multipart", "single"])
def test_a_large_object_is_one_file(s3: Any, big: Path, shared_checkout: Project, kind: str) -> None:
    before = stored(shared_checkout)
    threshold = 8 * MEGABYTE if kind == "multipart" else 1000 * MEGABYTE
    settings = TransferConfig(multipart_threshold=threshold, max_concurrency=2)
    memory_used = memory(shared_checkout)
    s3.upload_file(str(big), "objects", "big", Config=settings)
    assert stored(shared_checkout) == sorted([*before, big.stat().st_size])
    eventually(lambda: memory(shared_checkout) - memory_used < 30 * MEGABYTE)
    assert s3.get_object(Bucket="objects", Key="big")["Body"].read() == big.read_bytes()
    s3.delete_object(Bucket="objects", Key="big")
    eventually(lambda: stored(shared_checkout) == before)


def test_ranges_checksums_and_metadata_of_a_large_object(s3: Any, big: Path) -> None:
    extra = {"Metadata": {"a_b": "1"}, "ContentType": "application/gguf"}
    s3.upload_file(str(big), "objects", "ranged", ExtraArgs=extra)
    head = s3.head_object(Bucket="objects", Key="ranged", ChecksumMode="ENABLED")
    assert head["ContentLength"] == big.stat().st_size
    assert head["ContentType"] == "application/gguf"
    assert head["Metadata"] == {"a_b": "1"}
    assert head["ETag"].endswith('-6"')
    tail = s3.get_object(Bucket="objects", Key="ranged", Range="bytes=-3")["Body"].read()
    assert tail == b"end"
    s3.delete_object(Bucket="objects", Key="ranged")


def test_a_multipart_upload_is_checked(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="objects", Key="parts")["UploadId"]
    names = {"Bucket": "objects", "Key": "parts", "UploadId": upload}
    tags = [
        s3.upload_part(**names, PartNumber=number, Body=b"x" * size)["ETag"]
        for number, size in ((1, 1000), (2, 10))
    ]
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(**names, MultipartUpload=parts)
    small = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]}
    with pytest.raises(ClientError, match="EntityTooSmall"):
        s3.complete_multipart_upload(**names, MultipartUpload=small)
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": small["Parts"][:1]})
    assert s3.get_object(Bucket="objects", Key="parts")["Body"].read() == b"x" * 1000


@pytest.mark.parametrize("key", ["a b/ü", "a%2Fb", "a//b", "a+b", "endpoints/e/invocations", "平台"])
def test_object_keys_are_kept_unchanged(s3: Any, key: str) -> None:
    s3.put_object(Bucket="objects", Key=key, Body=key.encode())
    assert s3.get_object(Bucket="objects", Key=key)["Body"].read() == key.encode()
    assert key in [item["Key"] for item in s3.list_objects_v2(Bucket="objects")["Contents"]]
    s3.delete_object(Bucket="objects", Key=key)


def test_a_lock_is_taken_once(s3: Any) -> None:
    s3.put_object(Bucket="objects", Key="lock", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="objects", Key="lock", Body=b"2", IfNoneMatch="*")


def test_bucket_policies_are_stored_but_not_applied(s3: Any) -> None:
    s3.create_bucket(Bucket="with-policy")
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", '
        '"Resource": "arn:aws:s3:::with-policy/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}'
    )
    s3.put_bucket_policy(Bucket="with-policy", Policy=policy)
    s3.put_object(Bucket="with-policy", Key="k", Body=b"v")
    assert s3.get_object(Bucket="with-policy", Key="k")["Body"].read() == b"v"
    assert s3.get_bucket_policy(Bucket="with-policy")["Policy"] == policy
