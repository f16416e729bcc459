"""The result of `toolkit model list`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit import staging
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.environment import Environment
from toolkit.project import Project

Make = Callable[[str], Environment]


@pytest.fixture
def weights(project: Project) -> Path:
    path = project.root / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def stored(access: AwsAccess, project: Project, environment: Environment) -> staging.StoredModel:
    (model,) = staging.inventory(access, project, environment)
    return model


def test_weights_are_staged_once_complete(
    access: AwsAccess, project: Project, environment: Make, bucket: str, weights: Path
) -> None:
    test = environment("{path: model.gguf}")
    before = stored(access, project, test)
    assert before.staged is False
    assert before.as_json()["size"] is None

    (model,) = staging.locate(project, test).values()
    staging.stage(access, model, Console(err=io.StringIO(), interactive=False))
    after = stored(access, project, test)
    assert (after.staged, after.uri, after.source) == (True, model.uri, "path: model.gguf")
    assert after.as_json()["size"] == 4

    access.s3.delete_object(Bucket=bucket, Key=f"{model.prefix}model.gguf")
    assert stored(access, project, test).staged is False


def test_weights_in_s3_need_no_staging(
    access: AwsAccess, project: Project, environment: Make, bucket: str
) -> None:
    model = stored(access, project, environment(f"{{s3: 's3://{bucket}/mine/'}}"))
    assert (model.staged, model.uri) == (None, f"s3://{bucket}/mine/")


def test_missing_local_weights_do_not_hide_others(
    access: AwsAccess, project: Project, environment: Make
) -> None:
    model = stored(access, project, environment("{path: nowhere.gguf}"))
    assert model.staged is False
    assert model.note is not None
    assert "does not exist" in model.note


def test_without_a_model_store_nothing_is_staged(
    access: AwsAccess, project: Project, environment: Make, bucket: str, weights: Path
) -> None:
    test = environment("{path: model.gguf}")
    access.s3.delete_bucket(Bucket=bucket)
    assert stored(access, project, test).staged is False
