"""Uploads of local weights to the model store."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from toolkit import staging
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.environment import Environment
from toolkit.errors import PreflightError
from toolkit.project import Project

Make = Callable[[str], Environment]
Requests = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def console() -> Console:
    return Console(out=io.StringIO(), err=io.StringIO(), interactive=False)


@pytest.fixture
def model(project: Project, environment: Make) -> staging.StagedModel:
    folder = project.root / "weights"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "model.gguf").write_bytes(b"GGUF" * 1000)
    (folder / "tokenizer" / "vocab.json").write_bytes(b"{}")
    return staging.locate(project, environment("{path: weights/}"))["m"]


def objects(access: AwsAccess, bucket: str) -> dict[str, bytes]:
    keys = [item["Key"] for item in access.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: access.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def puts(requests: Requests) -> list[str]:
    return [params["Key"] for name, params in requests if name == "PutObject"]


def test_files_and_manifest_are_in_the_store(
    access: AwsAccess, bucket: str, console: Console, model: staging.StagedModel
) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    assert staging.upload(access, {"m": model}, console) == 2

    uploaded = objects(access, bucket)
    assert uploaded[f"{model.prefix}model.gguf"] == b"GGUF" * 1000
    assert uploaded[f"{model.prefix}tokenizer/vocab.json"] == b"{}"
    manifest = json.loads(uploaded[f"_manifests/{model.prefix.removesuffix('/')}.json"])
    assert manifest["source"] == {"path": "weights/"}
    assert manifest["files"] == [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in (("model.gguf", b"GGUF" * 1000), ("tokenizer/vocab.json", b"{}"))
    ]
    assert manifest["staged_by"] == "arn:aws:iam::123456789012:root"
    assert start <= datetime.fromisoformat(manifest["staged_at"]) <= datetime.now(UTC)


def test_the_manifest_is_written_last(
    access: AwsAccess, console: Console, model: staging.StagedModel, requests: Requests
) -> None:
    staging.stage(access, model, console)
    assert puts(requests)[-1] == model.manifest_key


def test_missing_hub_weights_stop_an_apply_before_any_upload(
    project: Project,
    environment: Make,
    access: AwsAccess,
    console: Console,
    requests: Requests,
) -> None:
    (project.root / "model.gguf").write_bytes(b"GGUF")
    hub = f"{{hub: Owner/Model, revision: '{'5' * 40}', staged: true, files: ['*.gguf']}}"
    variants = f"{{stable: {{}}, canary: {{source: {hub}}}}}"
    test = environment(f"{{path: model.gguf}}\n    variants: {variants}")
    with pytest.raises(PreflightError, match="m/canary are not in the model store") as raised:
        staging.upload(access, staging.locate(project, test), console)
    assert "toolkit model stage --env test m/canary" in str(raised.value.remedy)
    assert requests == []


def test_nothing_is_uploaded_twice(
    access: AwsAccess, console: Console, model: staging.StagedModel, requests: Requests
) -> None:
    staging.stage(access, model, console)
    requests.clear()
    second = staging.stage(access, model, console)
    assert second.uploaded == 0
    assert requests == []


def test_only_missing_or_truncated_files_are_uploaded_again(
    access: AwsAccess, bucket: str, console: Console, model: staging.StagedModel, requests: Requests
) -> None:
    staging.stage(access, model, console)
    for name in ("model.gguf", "tokenizer/vocab.json"):
        key = f"{model.prefix}{name}"
        access.s3.delete_object(Bucket=bucket, Key=key)
        requests.clear()
        assert staging.upload(access, {"m": model}, console) == 1
        assert puts(requests) == [key, model.manifest_key]

    access.s3.put_object(Bucket=bucket, Key=f"{model.prefix}model.gguf", Body=b"GG")
    assert staging.upload(access, {"m": model}, console) == 1
    assert objects(access, bucket)[f"{model.prefix}model.gguf"] == b"GGUF" * 1000


def test_a_file_without_its_digest_is_not_trusted(
    access: AwsAccess, bucket: str, console: Console, model: staging.StagedModel
) -> None:
    access.s3.put_object(Bucket=bucket, Key=f"{model.prefix}model.gguf", Body=b"FUGG" * 1000)
    assert staging.stage(access, model, console).uploaded == 2
    assert objects(access, bucket)[f"{model.prefix}model.gguf"] == b"GGUF" * 1000


def test_an_invalid_manifest_counts_as_missing(
    access: AwsAccess, bucket: str, console: Console, model: staging.StagedModel
) -> None:
    staging.stage(access, model, console)
    access.s3.put_object(Bucket=bucket, Key=model.manifest_key, Body=b'{"files": 3}')
    assert staging.stage(access, model, console).uploaded == 0
    assert json.loads(objects(access, bucket)[model.manifest_key])["model"] == "m"
