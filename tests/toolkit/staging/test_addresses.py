"""Addresses of weights in the model store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit import staging
from toolkit.environment import Environment, load
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


def test_the_address_is_below_the_model(
    project: Project, environment: Make, bucket: str, weights: Path
) -> None:
    uri = address(project, environment("{path: weights/}"))
    assert uri.startswith(f"s3://{bucket}/m/")
    assert uri.endswith("/")


def test_the_address_depends_on_content_and_name_only(
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


def test_weights_in_s3_have_no_address(project: Project, environment: Make, bucket: str) -> None:
    test = environment(f"{{s3: 's3://{bucket}/mine/'}}")
    assert staging.locate(project, test) == {}


def test_missing_weights_are_an_error(project: Project, environment: Make) -> None:
    with pytest.raises(InputError, match="does not exist"):
        staging.locate(project, environment("{path: nowhere}"))


COMMIT = "5" * 40


def hub(revision: str = COMMIT, files: str = '["*.gguf"]') -> str:
    return f"{{hub: Owner/Model, revision: '{revision}', staged: true, files: {files}}}"


def test_addresses_of_hub_weights_need_no_network(
    project: Project, environment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    addresses = {
        address(project, environment(source))
        for source in (
            hub(),
            hub(revision="6" * 40),
            hub(files='["*.gguf", "*.json"]'),
            hub(files='["*.json", "*.gguf"]'),
        )
    }
    # The order of patterns means nothing.
    assert len(addresses) == 3


def test_hub_weights_of_lmi_have_another_address(project: Project, environment: Make) -> None:
    environment(hub())
    file = project.environment_file("test")
    text = file.read_text().replace("ml.c7i.xlarge", "ml.g6.2xlarge")
    text = text.replace("target: local", 'target: aws\naccount_id: "123456789012"')

    def of(engine: str, variants: str = "") -> str:
        file.write_text(text.replace("engine: llama_cpp", f"engine: {engine}") + variants)
        return address(project, load(project, "test"))

    assert of("vllm") == of("tgi")
    assert of("lmi") != of("vllm")
    # A variant shares the weights, whatever the order.
    variants = "    variants:\n      {}: {{weight: 1, serving: {{engine: lmi}}}}\n      {}: {{weight: 1}}\n"
    assert of("vllm", variants.format("a", "b")) == of("vllm", variants.format("b", "a")) == of("lmi")


def test_variants_with_their_own_weights_have_their_own_uri(
    project: Project, environment: Make, weights: Path
) -> None:
    other = project.root / "other.gguf"
    other.write_bytes(b"OTHER")
    test = environment(
        "{path: weights/}\n"
        "    variants:\n"
        "      stable: {weight: 9}\n"
        "      canary: {weight: 1, source: {path: other.gguf}}"
    )
    located = staging.locate(project, test)
    assert set(located) == {"m", "m/canary"}
    assert located["m"].prefix != located["m/canary"].prefix
    assert located["m/canary"].prefix.startswith("m/")
    assert located["m/canary"].command == "toolkit model stage --env test m/canary"


def test_an_error_names_its_key_in_the_file(project: Project, environment: Make, weights: Path) -> None:
    test = environment("{path: weights/}\n    shadow: {sampling_percent: 10, source: {path: nowhere.gguf}}")
    with pytest.raises(InputError) as raised:
        staging.locate(project, test)
    assert str(raised.value.where).endswith("test.yaml: models.m.shadow.source.path")
