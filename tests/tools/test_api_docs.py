"""The published API documentation matches the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tests.tools import api_docs


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    """The up-to-date files; reading the contract takes half a second."""
    return api_docs.pages()


@pytest.fixture(scope="module")
def pages(files: dict[Path, str]) -> dict[str, str]:
    """Their texts by name."""
    return {file.name: text for file, text in files.items()}


def test_the_checked_in_pages_are_up_to_date(files: dict[Path, str]) -> None:
    for file, text in files.items():
        assert file.read_text(encoding="utf-8") == text, f"run `{api_docs.COMMAND}`"


def test_the_published_contract_is_openapi_without_aws(pages: dict[str, str]) -> None:
    text = pages["openapi.json"]
    document = json.loads(text)
    validate(document)
    assert "x-amazon" not in text
    for methods in document["paths"].values():
        for operation in methods.values():
            assert set(operation["responses"]) >= {"200", "403", "429", "500", "502", "504"}


def test_the_page_has_every_operation_and_field(pages: dict[str, str]) -> None:
    page = pages["api-reference.md"]
    for words in ("## POST /v1/embeddings", "| `stop` | string or array of strings |", "Errors: 400, 401"):
        assert words in page
