"""No blocked text leaves, however the engine splits its response."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from gateway.chunks import CHAT, TEXT, Chunks, Identity, Shape
from gateway.completion import completion
from gateway.errors import ContentFilterError, GuardError
from gateway.framing import Documents
from gateway.guard.windows import Windows
from gateway.pipeline import Pipeline
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import read, sse

FORBIDDEN = "forbidden"
SECRET = "secret"
MASK = "{MASK}"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
WORDS = st.sampled_from(
    [FORBIDDEN, SECRET, "for", "bidden", "sec", "ret", "f", "den", "s", "et", " ", "aé🙂"]
)
TEXTS = st.lists(WORDS, max_size=30).map("".join)


class Rules:
    """Blocks one word and masks another; keeps the texts that it has received."""

    def __init__(self) -> None:
        self.received: list[str] = []

    async def check(self, text: str) -> str:
        self.received.append(text)
        if FORBIDDEN in text:
            raise ContentFilterError("not here", cause="word")
        return text.replace(SECRET, MASK)


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    """A text split at positions."""
    ends = sorted({cut % (len(text) + 1) for cut in cuts} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def chunks(documents: Sequence[dict[str, Any]], shape: Shape = CHAT) -> list[dict[str, Any]]:
    """The gateway's chunks for an engine's documents."""
    stage = Pipeline(Documents(), Chunks(Identity("chatcmpl-1", "demo", 1), shape))
    return read(stage, [*map(sse, documents), b"data: [DONE]\n\n"])


def document(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


async def passed(windows: Windows, batches: Iterable[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    return [*[await windows.feed(batch) for batch in batches], await windows.end()]


def run(rules: Rules, arriving: list[dict[str, Any]], window: int | None = 10, overlap: int = 9) -> Any:
    """The chunks that leave when each of them arrives."""
    windows = Windows(rules.check, window, overlap)
    return asyncio.run(passed(windows, [[chunk] for chunk in arriving]))


def flat(released: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [chunk for batch in released for chunk in batch]


def message(released: Any) -> dict[str, Any]:
    """The message that a client assembles."""
    choice: dict[str, Any] = completion(flat(released), CHAT)["choices"][0]
    return {"finish_reason": choice["finish_reason"], **choice["message"]}


CHANNELS = st.sampled_from(["content", "reasoning_content", "call"])


def part(channel: str, text: str) -> dict[str, Any]:
    if channel == "call":
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    return {channel: text}


def joined(parts: Iterable[tuple[str, str]], channel: str) -> str:
    return "".join(text for name, text in parts if name == channel)


@given(
    st.lists(st.tuples(CHANNELS, TEXTS, st.lists(st.integers(0, 300), max_size=20)), max_size=4),
    st.none() | st.integers(1, 30),
    st.integers(len(FORBIDDEN), 40),
    st.lists(st.integers(1, 5), min_size=1),
)
def test_for_every_splitting_no_blocked_text_leaves(
    runs: list[tuple[str, str, list[int]]], window: int | None, overlap: int, sizes: list[int]
) -> None:
    parts = [(channel, piece) for channel, text, cuts in runs for piece in pieces(text, cuts)]
    arriving = chunks(
        [
            document(0, {"role": "assistant", "content": ""}),
            *[document(0, part(channel, text)) for channel, text in parts],
            document(0, {}, "stop"),
            {"choices": [], "usage": USAGE},
        ]
    )
    batches, rest = [], arriving
    while rest:
        size = sizes[len(batches) % len(sizes)]
        batches, rest = [*batches, rest[:size]], rest[size:]
    rules = Rules()
    windows = Windows(rules.check, window, overlap)
    released = asyncio.run(passed(windows, batches))
    assert flat(released)[-1]["usage"] == USAGE
    result = message(released)
    for channel in ("content", "reasoning_content", "call"):
        text = joined(parts, channel)
        sent = (
            "".join(call["function"]["arguments"] for call in result.get("tool_calls", ()))
            if channel == "call"
            else result.get(channel) or ""
        )
        assert FORBIDDEN not in sent
        if windows.cause is None:
            assert FORBIDDEN not in text
            assert sent == text.replace(SECRET, MASK)
            assert result["finish_reason"] == "stop"
        else:
            assert text.replace(SECRET, MASK).startswith(sent)
            assert (result["finish_reason"], result["refusal"]) == ("content_filter", "not here")
        if len({name for name, _ in parts}) == 1 and FORBIDDEN in text:
            # Within one text, not even the beginning of the word leaves.
            assert len(sent) <= len(text[: text.index(FORBIDDEN)].replace(SECRET, MASK))
    # Also not in the middle of the stream.
    assert not any(FORBIDDEN in str(chunk) for chunk in flat(released))


@given(TEXTS, st.lists(st.integers(0, 300)), st.integers(1, 30))
def test_texts_of_plain_completions(text: str, cuts: list[int], window: int) -> None:
    documents = [
        {"choices": [{"index": 0, "text": piece, "finish_reason": None}]} for piece in pieces(text, cuts)
    ]
    documents.append({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]})
    released = run(Rules(), chunks(documents, TEXT), window)
    (choice,) = completion(flat(released), TEXT)["choices"]
    if FORBIDDEN in text:
        assert choice["finish_reason"] == "content_filter"
        assert FORBIDDEN not in choice["text"]
    else:
        assert (choice["text"], choice["finish_reason"]) == (text.replace(SECRET, MASK), "length")


def test_chunks_that_pass_leave_unchanged_with_their_window() -> None:
    arriving = chunks(
        [document(0, {"role": "assistant"}), *[document(0, {"content": letter}) for letter in "abcdefghijkl"]]
    )
    released = run(Rules(), arriving, window=4, overlap=2)
    assert [
        [chunk["choices"][0]["delta"].get("content", "role") for chunk in batch] for batch in released
    ] == [
        ["role"],
        *([], [], [], ["a", "b"]),
        *([], [], [], ["c", "d", "e", "f"]),
        *([], [], [], ["g", "h", "i", "j"]),
        ["k", "l"],
    ]
    assert flat(released) == arriving


def test_each_window_begins_with_the_end_of_the_one_before() -> None:
    rules = Rules()
    run(rules, chunks([document(0, {"content": letter}) for letter in "abcdefghij"]), window=4, overlap=2)
    assert rules.received == ["abcd", "cdefgh", "ghij"]


def test_text_leaves_with_each_window_although_it_is_replaced() -> None:
    arriving = chunks([document(0, {"content": SECRET}) for _ in range(5)])
    released = run(Rules(), arriving, window=len(SECRET), overlap=len(SECRET))
    sizes = [sum(len(chunk["choices"][0]["delta"]["content"]) for chunk in batch) for batch in released]
    assert sizes == [0, len(MASK), *([len(MASK)] * 3), len(MASK)]
    assert message(released)["content"] == MASK * 5


def test_choices_have_windows_of_their_own() -> None:
    arriving = chunks(
        [
            # In the order of arrival, the choices together have the word.
            *[document(number % 2, {"content": letter}) for number, letter in enumerate(FORBIDDEN)],
            document(1, {"content": FORBIDDEN}),
            *[document(index, {}, "stop") for index in range(2)],
            {"choices": [], "usage": USAGE},
        ]
    )
    response = completion(flat(run(Rules(), arriving)), CHAT)
    choices = [(choice["finish_reason"], choice["message"]["content"]) for choice in response["choices"]]
    assert choices == [("stop", FORBIDDEN[::2]), ("content_filter", "")]
    assert response["usage"] == USAGE


def test_a_whole_response_is_split_into_its_texts() -> None:
    """A serverless endpoint responds in one document."""
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": "secret"}'}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    whole = {
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "the secret",
                    "reasoning": "think",
                    "tool_calls": calls,
                },
                "finish_reason": "tool_calls",
                "logprobs": {"content": [{"token": "secret"}]},
            }
        ],
        "usage": USAGE,
    }
    rules = Rules()
    released = run(rules, chunks([whole]), None)
    result = message(released)
    assert rules.received == ["think", "the secret", '{"a": "secret"}', "{}"]
    assert (result["role"], result["content"], result["reasoning"]) == ("assistant", "the {MASK}", "think")
    functions = [call["function"] for call in result["tool_calls"]]
    assert functions == [{"name": "f", "arguments": '{"a": "{MASK}"}'}, {"name": "g", "arguments": "{}"}]
    assert result["finish_reason"] == "tool_calls"
    assert SECRET not in str(released)
    assert completion(flat(released), CHAT)["usage"] == USAGE


def test_a_replaced_call_keeps_its_name_and_id_once() -> None:
    start = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a'}}
    texts = ['": "se', "cret and ", "more than ", "the window", '"}']
    parts = [{"index": 0, "function": {"arguments": text}} for text in texts]
    arriving = chunks(
        [document(0, {"tool_calls": [call]}) for call in (start, *parts)] + [document(0, {}, "tool_calls")]
    )
    (call,) = message(run(Rules(), arriving))["tool_calls"]
    arguments = '{"a": "{MASK} and more than the window"}'
    assert call == {"type": "function", "id": "1", "function": {"name": "f", "arguments": arguments}}


def test_both_names_of_reasoning_are_one_text() -> None:
    texts = ["a ", "sec", "ret ", "thought"]
    arriving = chunks([document(0, {"reasoning": text, "reasoning_content": text}) for text in texts])
    rules = Rules()
    result = message(run(rules, arriving, window=100))
    assert (result["reasoning"], result["reasoning_content"]) == ("a {MASK} thought", "a {MASK} thought")
    assert rules.received == ["a secret thought"]


def test_a_text_that_continues_is_checked_with_its_beginning() -> None:
    parts = [("content", "for"), ("reasoning_content", "hm"), ("content", "bidden")]
    released = run(Rules(), chunks([document(0, part(*text)) for text in parts]), window=100)
    assert message(released)["content"] == "for"
    assert message(released)["finish_reason"] == "content_filter"


def test_nothing_leaves_if_the_guard_fails() -> None:
    async def fail(text: str) -> str:
        raise GuardError(cause="down")

    windows = Windows(fail, 4, 2)
    with pytest.raises(GuardError):
        asyncio.run(passed(windows, [chunks([document(0, {"content": "some text"})])]))
