"""Selection of a repository's files."""

from __future__ import annotations

import pytest

from toolkit.errors import InputError
from toolkit.serving.engines import ENGINES
from toolkit.staging.selection import choose, for_engine

WHERE = "test.yaml: models.m.source.files"
SAFETENSORS = [
    ".gitattributes",
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "onnx/model.onnx",
    "original/consolidated.00.pth",
    "pytorch_model.bin",
    "tokenizer.model",
]


def test_other_formats_of_the_weights_are_excluded() -> None:
    selected = choose("o/m", SAFETENSORS, None, WHERE)
    assert set(SAFETENSORS) - set(selected) == {
        "onnx/model.onnx",
        "original/consolidated.00.pth",
        "pytorch_model.bin",
    }


def test_without_safetensors_all_files_are_selected() -> None:
    names = ["config.json", "pytorch_model.bin"]
    assert choose("o/m", names, None, WHERE) == names


def test_a_model_in_several_gguf_parts_is_selected() -> None:
    names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    assert choose("o/m", names, None, WHERE) == names


def test_several_gguf_models_require_a_selection() -> None:
    with pytest.raises(InputError, match="2 GGUF files") as raised:
        choose("o/m", ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "README.md"], None, WHERE)
    assert raised.value.details == ("m-Q4_K_M.gguf", "m-Q8_0.gguf")
    assert raised.value.where == WHERE


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.json", ["config.json", "model.safetensors.index.json"]),
        ("tokenizer.model", ["tokenizer.model"]),
        ("original/", ["original/consolidated.00.pth"]),
        ("*.bin", ["pytorch_model.bin"]),
    ],
)
def test_patterns_select_files(pattern: str, expected: list[str]) -> None:
    assert choose("o/m", SAFETENSORS, [pattern], WHERE) == expected


def test_patterns_without_match_list_the_files() -> None:
    with pytest.raises(InputError, match=r"no file of o/m matches the patterns \(9 files\)") as raised:
        choose("o/m", SAFETENSORS, ["*.gguf"], WHERE)
    assert "config.json" in raised.value.details


def test_an_empty_repository_is_an_error() -> None:
    with pytest.raises(InputError, match="no files"):
        choose("o/m", [], None, WHERE)


@pytest.mark.parametrize("engine", ["vllm", "lmi"])
def test_files_that_change_how_a_container_starts_are_left_out(engine: str) -> None:
    names = ["config.json", "model.py", "modeling_x.py", "requirements.txt", "sub/model.py"]
    kept = for_engine(ENGINES[engine], None, WHERE, names)
    assert kept == ["config.json", "modeling_x.py", "sub/model.py"]
    assert for_engine(ENGINES["custom"], None, WHERE, names) == names


@pytest.mark.parametrize(
    "names",
    [
        ["m.gguf", "mmproj-m.gguf"],
        ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"],
        ["too/deep/m.gguf"],
    ],
)
def test_llama_cpp_needs_the_name_of_one_gguf_file(names: list[str]) -> None:
    with pytest.raises(InputError, match="name of the GGUF file") as caught:
        for_engine(ENGINES["llama_cpp"], None, WHERE, names)
    assert caught.value.where == f"{WHERE}.serving.options.model"
    assert caught.value.details == tuple(names)
    assert for_engine(ENGINES["llama_cpp"], names[0], WHERE, names) == names
    with pytest.raises(InputError, match=r"contain no other\.gguf"):
        for_engine(ENGINES["llama_cpp"], "other.gguf", WHERE, names)
