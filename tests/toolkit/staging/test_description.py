"""Descriptions of models among the files of weights, on this machine and in the model store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.gguf import header
from tests.support.handlers import handling
from tests.toolkit.staging.conftest import ENVIRONMENT
from toolkit.aws.access import AwsAccess
from toolkit.environment import Environment, HubSource, ResolvedVariant, load
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.staging import addresses, description

Make = Callable[[str], Environment]
CONFIG = (ROOT / "tests/toolkit/serving/memory/models/qwen3-8b.json").read_bytes()
GGUF = header(
    {
        "general.architecture": "llama",
        "llama.context_length": 8192,
        "llama.block_count": 2,
        "llama.embedding_length": 128,
        "llama.attention.head_count": 4,
        # Longer than the first read.
        "tokenizer.ggml.tokens": ["token"] * 20_000,
    }
)


def variant(environment: Environment, engine: str = "llama_cpp", **options: Any) -> ResolvedVariant:
    """The model `m`, served by an engine."""
    model = environment.models["m"]
    serving = model.serving.model_dump(exclude_unset=True) | {"engine": engine, "options": options}
    changed = type(model).model_validate({**model.model_dump(exclude_unset=True), "serving": serving})
    return changed.all_resolved("m")[0]


@pytest.fixture
def offline(project: Project) -> Make:
    """An environment with one model `m` from a source, without a model store."""

    def make(source: str) -> Environment:
        project.environment_file("test").write_text(ENVIRONMENT.format(bucket="models", source=source))
        return load(project, "test")

    return make


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_is_described_by_its_config_and_its_files(project: Project, offline: Make) -> None:
    write(
        project.root / "weights",
        **{
            "config.json": CONFIG,
            "model-00001-of-00002.safetensors": bytes(10),
            "model-00002-of-00002.safetensors": bytes(5),
            # Duplicates, which vLLM does not load.
            "consolidated.safetensors": bytes(15),
            "model.bin": bytes(15),
        },
    )
    test = offline("{path: weights/}")
    of_model = description.at_hand(project, test, variant(test, "vllm"))
    assert of_model is not None
    assert of_model.architecture is not None
    assert (of_model.source, of_model.architecture.name) == ("config.json in weights/", "qwen3")
    assert (of_model.weights.bytes, of_model.weights.source) == (15, "size of 2 safetensors files")


def test_missing_parts_are_not_counted(project: Project, offline: Make) -> None:
    folder = write(
        project.root / "weights", **{"config.json": CONFIG, "model-00001-of-00002.safetensors": bytes(10)}
    )
    test = offline("{path: weights/}")
    of_model = description.at_hand(project, test, variant(test, "vllm"))
    assert of_model is not None
    assert of_model.weights.bytes == 0

    write(folder, **{"model.safetensors.index.json": b'{"metadata": {"total_size": 25.0}}'})
    of_model = description.at_hand(project, test, variant(test, "vllm"))
    assert of_model is not None
    assert (of_model.weights.bytes, of_model.weights.source) == (
        25,
        "total_size in model.safetensors.index.json",
    )


def test_llama_cpp_serves_a_gguf_file_with_all_its_parts(project: Project, offline: Make) -> None:
    write(
        project.root / "weights",
        **{
            "m-00001-of-00002.gguf": GGUF,
            "m-00002-of-00002.gguf": bytes(7),
            "mmproj-m.gguf": bytes(9),
        },
    )
    test = offline("{path: weights/}")
    of_model = description.at_hand(project, test, variant(test))
    assert of_model is not None
    assert of_model.architecture is not None
    assert of_model.weights.bytes == len(GGUF) + 7
    (project.root / "weights" / "m-00002-of-00002.gguf").rename(project.root / "weights" / "part")
    incomplete = description.at_hand(project, test, variant(test))
    assert incomplete is not None
    assert incomplete.weights.bytes == 0
    (project.root / "weights" / "part").rename(project.root / "weights" / "m-00002-of-00002.gguf")

    images = variant(test, model="m-00001-of-00002.gguf", mmproj="/opt/ml/model/mmproj-m.gguf")
    of_model = description.at_hand(project, test, images)
    assert of_model is not None
    assert of_model.weights.bytes == len(GGUF) + 7 + 9


@pytest.mark.parametrize("files", [{"a.gguf": GGUF, "b.gguf": GGUF}, {"a.txt": b"text"}])
def test_what_is_served_must_be_certain(project: Project, offline: Make, files: dict[str, bytes]) -> None:
    write(project.root / "weights", **files)
    test = offline("{path: weights/}")
    assert description.at_hand(project, test, variant(test)) is None
    assert description.at_hand(project, test, variant(test, "vllm")) is None


@pytest.mark.parametrize("revision", ["5" * 40, "main"])
def test_the_cache_of_huggingface_hub_is_read_without_a_network(
    project: Project, offline: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    """With its real layout: snapshots are links to blobs, branches are files with a commit."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    repository = tmp_path / "hf" / "hub" / "models--Qwen--Qwen3-8B"
    snapshot = repository / "snapshots" / ("5" * 40)
    test = offline("{path: weights/}")
    source = HubSource(hub="Qwen/Qwen3-8B", revision=revision, allow_unpinned=True)
    served = replace(variant(test, "vllm"), source=source)
    assert description.at_hand(project, test, served) is None

    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "blobs" / "c").write_bytes(CONFIG)
    (snapshot / "config.json").symlink_to("../../blobs/c")
    (repository / "refs" / "main").write_text("5" * 40)
    of_model = description.at_hand(project, test, served)
    assert of_model is not None
    assert of_model.source == "config.json in Qwen/Qwen3-8B in the cache of huggingface_hub"


@pytest.mark.parametrize(
    ("name", "content"), [("config.json", b"{"), ("config.json", b"[1]"), ("m.gguf", GGUF[:1000])]
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the description") as caught:
        description.of_file(path)
    assert caught.value.where == str(path)
    assert caught.value.details


@pytest.mark.parametrize(("name", "reason"), [("missing.json", "no such file"), ("", "folder")])
def test_a_given_file_must_exist(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        description.of_file(tmp_path / name)


def test_a_given_file_is_read_with_the_weights_next_to_it(tmp_path: Path) -> None:
    write(tmp_path, **{"config.json": CONFIG, "model.safetensors": bytes(10), "m.gguf": GGUF})
    assert description.of_file(tmp_path / "config.json").weights.bytes == 10
    assert description.of_file(tmp_path / "m.gguf").weights.bytes == len(GGUF)


def test_the_model_store_does_not_send_the_weights(
    project: Project, environment: Make, access: AwsAccess, bucket: str
) -> None:
    received: list[int] = []

    def receive(parsed: dict[str, Any], **_: object) -> None:
        received.append(parsed["ContentLength"])

    weights = GGUF + bytes(2**20)
    for name, content in {"g/m.gguf": weights, "c/config.json": CONFIG, "c/model.safetensors": b"w"}.items():
        access.s3.put_object(Bucket=bucket, Key=name, Body=content)

    test = environment(f"{{s3: 's3://{bucket}/g/'}}")
    with handling(access.s3, "after-call.s3.GetObject", receive):
        of_model = description.in_store(access, project, test, variant(test))
    assert of_model is not None
    assert of_model.architecture is not None
    assert (of_model.architecture.context, of_model.weights.bytes) == (8192, len(weights))
    assert len(GGUF) <= sum(received) < len(weights)

    test = environment(f"{{s3: 's3://{bucket}/c/'}}")
    of_model = description.in_store(access, project, test, variant(test, "vllm"))
    assert of_model is not None
    assert (of_model.source, of_model.weights.bytes) == (f"config.json in s3://{bucket}/c/", 1)

    test = environment(f"{{s3: 's3://{bucket}/none/'}}")
    assert description.in_store(access, project, test, variant(test)) is None


def test_staged_weights_are_found_in_the_model_store(
    project: Project, environment: Make, access: AwsAccess
) -> None:
    test = environment(f"{{hub: a/b, revision: '{'5' * 40}', staged: true, files: ['*.gguf']}}")
    served = variant(test)
    assert description.in_store(access, project, test, served) is None
    model = addresses.locate_one(project, test, served)
    assert model is not None
    access.s3.put_object(Bucket=model.bucket, Key=f"{model.prefix}m.gguf", Body=GGUF)
    of_model = description.in_store(access, project, test, served)
    assert of_model is not None
    assert of_model.source == f"m.gguf in {model.uri}"
    assert of_model.weights.bytes == len(GGUF)
