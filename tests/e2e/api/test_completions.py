"""Plain completions of a real model, in an image that follows the contract of own images."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.e2e.api.conftest import Api

pytestmark = pytest.mark.e2e


def test_a_completion_whole_and_streamed(api: Api) -> None:
    client = openai.OpenAI(base_url=api.base_url, api_key=api.key, max_retries=0)
    request: Any = {"model": "smollm2", "prompt": "Once upon a time", "max_tokens": 12, "temperature": 0}
    request["extra_body"] = {"cache_prompt": False}  # so that both are computed alike
    whole = client.completions.create(**request)
    chunks = client.completions.create(**request, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text != ""
