"""A model's files in the cloud's directory."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Engine, Hosting
from toolkit.project import Project

pytestmark = pytest.mark.slow

BUCKET = "artifacts"


@pytest.fixture
def s3(hosting: Hosting) -> Any:
    s3 = hosting.aws("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    return s3


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def prefix(uri: str) -> dict[str, Any]:
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}


def models(project: Project) -> set[Path]:
    return set((project.local_cloud / "run").glob("*/models/*"))


def files_of_new_model(hosting: Hosting, engine: Engine, project: Project, **source: Any) -> dict[str, bytes]:
    before = models(project)
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container | source))
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"
    [directory] = models(project) - before
    files = [file for file in directory.rglob("*") if file.is_file()]
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


def test_a_prefix_becomes_a_directory(
    hosting: Hosting, engine: Engine, s3: Any, shared_checkout: Project
) -> None:
    for key, body in (("m/a.gguf", b"weights"), ("m/sub/b.json", b"{}"), ("m/", b""), ("mine/c", b"no")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    source = prefix(f"s3://{BUCKET}/m/")
    files = files_of_new_model(hosting, engine, shared_checkout, ModelDataSource=source)
    assert files == {"a.gguf": b"weights", "sub/b.json": b"{}"}
    # The same content shares one directory.
    before = models(shared_checkout)
    configuration = hosting.configuration(container=engine.container | {"ModelDataSource": source})
    assert hosting.settled(hosting.endpoint(configuration))["EndpointStatus"] == "InService"
    assert models(shared_checkout) == before


def test_large_weights_are_linked_and_survive_the_object(
    hosting: Hosting, engine: Engine, s3: Any, shared_checkout: Project
) -> None:
    weights = bytes(range(256)) * 40_000
    s3.put_object(Bucket=BUCKET, Key="large/w.gguf", Body=weights)
    before = models(shared_checkout)
    source = prefix(f"s3://{BUCKET}/large/")
    endpoint = hosting.endpoint(
        hosting.configuration(container=engine.container | {"ModelDataSource": source})
    )
    hosting.settled(endpoint)
    [directory] = models(shared_checkout) - before
    assert (directory / "w.gguf").stat().st_nlink == 2
    s3.delete_object(Bucket=BUCKET, Key="large/w.gguf")
    assert (directory / "w.gguf").read_bytes() == weights


def test_an_archive_is_unpacked(hosting: Hosting, engine: Engine, s3: Any, shared_checkout: Project) -> None:
    content = archive(**{"a.gguf": b"weights", "code/run.py": b"pass"})
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=content)
    url = f"s3://{BUCKET}/model.tar.gz"
    files = files_of_new_model(hosting, engine, shared_checkout, ModelDataUrl=url)
    assert files == {"a.gguf": b"weights", "code/run.py": b"pass"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "Could not unpack the model data bad.tar.gz"),
        (archive(**{"../outside": b"x"}), "Could not unpack the model data bad.tar.gz"),
    ],
)
def test_bad_archives_fail_the_endpoint(
    hosting: Hosting, engine: Engine, s3: Any, content: bytes, reason: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="bad.tar.gz", Body=content)
    source = {"ModelDataUrl": f"s3://{BUCKET}/bad.tar.gz"}
    description = hosting.settled(
        hosting.endpoint(hosting.configuration(container=engine.container | source))
    )
    assert description["EndpointStatus"] == "Failed"
    assert reason in description["FailureReason"]
