"""Addresses of weights in the model store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit import staging
from toolkit.environment import Environment
from toolkit.errors import InputError
from toolkit.project import Project

Make = Callable[[str], Environment]


@pytest.fixture
def weights(project: Project) -> Path:
    folder = project.root / "weights"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"GGUF")
    return folder


def address(project: Project, environment: Environment) -> str:
    return staging.locate(project, environment)["m"].uri


def test_it_is_below_the_model_in_the_model_store(
    project: Project, environment: Make, bucket: str, weights: Path
) -> None:
    uri = address(project, environment("{path: weights/}"))
    assert uri.startswith(f"s3://{bucket}/m/")
    assert uri.endswith("/")


def test_it_changes_with_content_and_name_and_nothing_else(
    project: Project, environment: Make, weights: Path
) -> None:
    test = environment("{path: weights/}")
    before = address(project, test)
    (weights / "model.gguf").touch()
    assert address(project, test) == before

    (weights / "model.gguf").write_bytes(b"other")
    other_content = address(project, test)
    (weights / "model.gguf").rename(weights / "other.gguf")
    assert len({before, other_content, address(project, test)}) == 3


def test_weights_that_lie_in_s3_have_none(project: Project, environment: Make, bucket: str) -> None:
    test = environment(f"{{s3: 's3://{bucket}/mine/'}}")
    assert staging.locate(project, test) == {}


def test_weights_that_are_not_there_are_an_error(project: Project, environment: Make) -> None:
    with pytest.raises(InputError, match="neither a file nor a folder"):
        staging.locate(project, environment("{path: nowhere}"))
