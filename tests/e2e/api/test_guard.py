"""Guards of a deployed API: a function in the gateway's package, and a guardrail."""

from __future__ import annotations

import openai
import pytest

from tests.e2e.api.conftest import Api

pytestmark = pytest.mark.e2e


def ask(api: Api, content: str) -> tuple[str, str | None, str | None]:
    """The text, the reason of its end, and the refusal of a streamed response."""
    text, end, refusal = "", None, None
    with openai.OpenAI(base_url=api.base_url, api_key=api.key, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="guarded", messages=[{"role": "user", "content": content}], stream=True
        )
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                end, refusal = choice.finish_reason or end, choice.delta.refusal or refusal
    return text, end, refusal


def test_prompts_and_responses_are_checked(api: Api) -> None:
    text = "a secret that is longer than a window and its overlap " * 3
    # The model repeats what it reads.
    assert ask(api, text)[:2] == (text.replace("secret", "***"), "stop")
    with pytest.raises(openai.BadRequestError, match="Not in requests") as caught:
        ask(api, "project falcon")
    assert caught.value.code == "content_filter"
    beginning = "nothing to see " * 20
    text, end, refusal = ask(api, f"{beginning}project fal con and more")
    # All that has arrived when a check begins is checked together.
    assert beginning.startswith(text)
    assert (end, refusal) == ("content_filter", "Not in responses.")
