"""The script that generates the catalogue."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from toolkit.serving import update_catalogue
from toolkit.serving.update_catalogue import CONFIGURATION, FAMILIES, dump, images, instances

FOLDER = Path(update_catalogue.__file__).parent
ACCOUNTS = {"us-east-1": "111111111111", "eu-west-1": "222222222222"}


def image(**more: Any) -> dict[str, Any]:
    return {"registries": ACCOUNTS, "repository": "repository", "tag_prefix": "1.0-cu124"} | more


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with the layout of sagemaker-core."""
    path = tmp_path / "sagemaker_core-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for family in {family for families in FAMILIES.values() for family in families}:
            content: dict[str, Any] = {"scope": ["inference"], "versions": {"1.0": image()}}
            if family == "vllm":
                build = {"gpu": "cu131-ubuntu"}
                versions = {
                    "0.9.1": image(tag_prefix="0.9.1", py_versions=["py312"], container_version=build)
                }
                aliases = {"0.9": "0.9.1", "latest": "0.9.1"}
                content = {
                    "inference": {"processors": ["gpu"], "version_aliases": aliases, "versions": versions}
                }
            archive.writestr(CONFIGURATION.format(family), json.dumps(content))
    return path


def test_tags_are_composed_as_in_sagemaker_core(wheel: Path) -> None:
    catalogue = images(wheel)
    assert catalogue["source"]["images"] == "sagemaker-core 9.9.9"
    assert catalogue["engines"]["vllm"]["versions"]["0.9.1"] == [
        {
            "processor": "gpu",
            "architecture": "x86_64",
            "registry": "accounts-1",
            "image": "repository:0.9.1-gpu-py312-cu131-ubuntu",
            "cuda": "13.1",
        }
    ]
    assert catalogue["registries"]["accounts-1"] == dict(sorted(ACCOUNTS.items()))


def test_latest_is_not_a_version(wheel: Path) -> None:
    assert images(wheel)["engines"]["vllm"]["aliases"] == {"0.9": "0.9.1"}


def test_an_image_without_a_cuda_release_stops_the_script(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        unknown = {"scope": ["inference"], "versions": {"1.0": image(tag_prefix="mystery")}}
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(CONFIGURATION.format("djl-lmi"), json.dumps(unknown))
    with pytest.raises(ValueError, match="add it to CUDA_BY_TAG"):
        images(wheel)


def test_the_committed_instances_are_up_to_date() -> None:
    assert (FOLDER / "instances.json").read_text() == dump(instances()), (
        "instances.json is stale: run `python -m toolkit.serving.update_catalogue` and commit the result"
    )


def test_the_committed_files_have_the_generated_layout() -> None:
    for name in ("images.json", "instances.json"):
        text = (FOLDER / name).read_text()
        assert text == dump(json.loads(text))
