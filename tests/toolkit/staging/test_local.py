"""Local weights."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path

import pytest

from toolkit.environment import PackageSource, PathSource
from toolkit.errors import InputError
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.local import LocalFiles
from toolkit.staging.progress import Direction

WHERE = "terraform/environments/test.yaml: models.m.source"


def direction() -> Direction:
    return Direction("uploaded", 1, lambda: None, time.monotonic)


def test_a_folder_includes_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "weights" / "tokenizer").mkdir(parents=True)
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "weights" / "tokenizer" / "vocab.json").write_bytes(b"{}")
    files = LocalFiles.of(PathSource(path="weights"), tmp_path, WHERE)
    assert [(file.name, file.size) for file in files.files()] == [
        ("model.safetensors", 7),
        ("tokenizer/vocab.json", 2),
    ]


def test_a_file_is_used_alone(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "notes.txt").write_text("not this one")
    files = LocalFiles.of(PathSource(path="model.gguf"), tmp_path, WHERE)
    assert [file.name for file in files.files()] == ["model.gguf"]


def test_a_package_s_file_is_found(tmp_path: Path) -> None:
    package, file = "pytest", "METADATA"
    files = LocalFiles.of(PackageSource(package=package, file=file), tmp_path, WHERE)
    (weight_file,) = files.files()
    version = importlib.metadata.version("pytest")
    assert f"Version: {version}" in files.fetch(weight_file, direction(), CancelToken()).read_text()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PackageSource(package="no-such-package", file="f"), "no-such-package is not installed"),
        (PackageSource(package="pytest", file="no-such-file"), "pytest has no file no-such-file"),
        (PathSource(path="no-such-path"), "does not exist"),
        (PathSource(path="empty"), "an empty folder"),
    ],
)
def test_a_missing_source_is_an_error_in_the_environment_file(
    tmp_path: Path, source: PackageSource | PathSource, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message) as raised:
        LocalFiles.of(source, tmp_path, WHERE)
    assert str(raised.value.where).startswith(WHERE)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    files = LocalFiles.of(PathSource(path="model.gguf"), tmp_path, WHERE)
    (file,) = files.files()
    path.write_bytes(b"FUGG")
    with pytest.raises(InputError, match="changed"):
        files.fetch(file, direction(), CancelToken())
