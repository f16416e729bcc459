"""The operations of AWS's images, and their table in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit.serving import catalogue, operations
from toolkit.serving.engines import ENGINES
from toolkit.serving.operations import NAMES, OPERATIONS, ROUTES

CHAT, TEXT = ("chat",), ("chat", "completions")
EMBEDDINGS = {"OPTION_TASK": "text-embedding", "OPTION_ASYNC_MODE": "true"}
REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
OWN = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("engine", "release", "variables", "served"),
    [
        ("llama_cpp", "1.0.1", {"SM_LLAMA_CPP_EMBEDDINGS": "true"}, CHAT),
        ("vllm", "2.6", {}, OPERATIONS),
        ("vllm", "0.23.0", {}, OPERATIONS),
        ("lmi", "0.38.0", {}, TEXT),
        ("lmi", "0.38.0", {"OPTION_ROLLING_BATCH": "vllm"}, CHAT),
        ("lmi", "0.38.0", EMBEDDINGS, ("embeddings",)),
        ("lmi", "0.38.0", {**EMBEDDINGS, "OPTION_ASYNC_MODE": "false"}, TEXT),
        ("lmi", "0.35.0", EMBEDDINGS, TEXT),
        ("lmi", "0.34.0", {}, CHAT),
        ("lmi", "0.34.0", {"OPTION_ASYNC_MODE": "True"}, TEXT),
        ("tgi", "2.4.0", {}, TEXT),
        ("tgi", "2.3.1", {}, ()),
        ("tgi", "2.3.1", {"MESSAGES_API_ENABLED": "true"}, CHAT),
        ("tgi", "1.3.3", {"MESSAGES_API_ENABLED": "true"}, ()),
        ("tei", "1.2.3", {}, ("embeddings", "rerank", "score")),
        ("tei", "1.8.2", {"POOLING": "splade"}, ()),
        ("tei", "1.8.2", {"TASK": "sentence-similarity"}, ()),
    ],
)
def test_an_image_serves_what_its_release_routes(
    engine: str, release: str, variables: dict[str, str], served: tuple[str, ...]
) -> None:
    assert operations.served(engine, release, variables) == served


def test_every_image_of_the_catalogue_has_an_entry() -> None:
    assert {*ROUTES} == {*ENGINES} - {"custom"}
    for engine in ROUTES:
        newest, *_, oldest = catalogue.versions(engine)
        assert operations.served(engine, newest, {})
        assert oldest in ("0.6.0", "1") or operations.served(engine, oldest, {})


def test_remedies_name_releases_and_engines() -> None:
    assert operations.first_release("tgi", "chat", {}) == "2.4"
    assert operations.first_release("lmi", "embeddings", EMBEDDINGS) == "0.36"
    for engine, variables in (
        ("llama_cpp", {}),
        ("lmi", {**EMBEDDINGS, "OPTION_ROLLING_BATCH": "vllm"}),
        ("tei", {"POOLING": "splade"}),
    ):
        assert operations.first_release(engine, "embeddings", variables) is None
    assert operations.engines("embeddings") == ["vllm", "lmi", "tei"]
    assert operations.engines("rerank") == ["vllm", "tei"]


@pytest.mark.parametrize(
    ("image", "release"),
    [
        (f"{REGISTRY}/llama-cpp:server-sagemaker-cpu-v1.0.0", "1.0.0"),
        # A mirror is the same image.
        (f"{OWN}/mirror/llama-cpp:server-sagemaker-cpu-v1.0.0", "1.0.0"),
        # AWS's, although the catalogue does not know it.
        (f"{REGISTRY}/llama-cpp@sha256:{'0' * 64}", catalogue.versions("llama_cpp")[0]),
        (f"{OWN}/llama-cpp:server-sagemaker-cpu-v1.0.0-patched", None),
        (f"{OWN}/my-llama-cpp:server-sagemaker-cpu-v1.0.0", None),
        ("localhost:5000/llama-cpp", None),
    ],
)
def test_images_of_aws_are_recognized(image: str, release: str | None) -> None:
    assert catalogue.published_release("llama_cpp", image) == release


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / Path("docs/reference/api.md")).read_text()
    rows = []
    for engine, entries in ROUTES.items():
        for entry in entries:
            needs = [f"`{name}` = {' or '.join(values)}" for name, values in entry.variables.items()]
            names = ", ".join(NAMES[name] for name in entry.operations) or "none"
            rows.append(f"| `{engine}` | {entry.since} | {', '.join(needs)} | {names} |")
    table = "\n".join(["| engine | from release | with variables | operations |", "|---|---|---|---|", *rows])
    assert table in page, f"replace the table in docs/reference/api.md by\n{table}"
