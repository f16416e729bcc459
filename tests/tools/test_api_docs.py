"""The published API documentation matches the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tests.tools import api_docs


@pytest.mark.parametrize("file", api_docs.pages(), ids=lambda file: file.name)
def test_the_checked_in_page_is_up_to_date(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == api_docs.pages()[file], f"run `{api_docs.COMMAND}`"


def test_the_published_contract_is_openapi_without_aws() -> None:
    (text,) = (text for file, text in api_docs.pages().items() if file.name == "openapi.json")
    document = json.loads(text)
    validate(document)
    assert "x-amazon" not in text
    for methods in document["paths"].values():
        for operation in methods.values():
            assert set(operation["responses"]) >= {"200", "403", "429", "500", "502", "504"}


def test_the_page_has_every_operation_and_field() -> None:
    (page,) = (text for file, text in api_docs.pages().items() if file.suffix == ".md")
    for words in ("## POST /v1/embeddings", "| `stop` | string or array of strings |", "Errors: 400, 401"):
        assert words in page
