"""Requests of the smoke test to endpoints."""

from __future__ import annotations

import pytest

from toolkit.smoke.function import ServedModel
from toolkit.smoke.runtime import request


@pytest.mark.parametrize(
    ("dialect", "capabilities", "members"),
    [
        ("openai", (), {"messages", "max_tokens", "temperature"}),
        ("openai", ("embeddings",), {"input"}),
        ("openai", ("rerank",), {"query", "documents"}),
        ("llama_cpp", ("rerank",), {"query", "documents"}),
        ("lmi", (), {"messages", "max_tokens", "temperature"}),
        ("lmi", ("embeddings",), {"inputs"}),
        ("tei", (), {"inputs"}),
        ("tei", ("rerank",), {"query", "texts"}),
    ],
)
def test_the_request_suits_the_engine_and_the_task(
    dialect: str, capabilities: tuple[str, ...], members: set[str]
) -> None:
    assert set(request(ServedModel(dialect=dialect, capabilities=capabilities))) == members
