"""Prompts by token count, and data sets."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bench.workload import Conversation, Dataset, Lengths, Ratio, Synthetic, read_dataset
from toolkit.errors import InputError

ONE = Ratio(base=10, per_word=1.0)


def synthetic(text: str = "50", **members: Any) -> Synthetic:
    return Synthetic(Lengths.parse(text, "--x"), Lengths.parse("8-16", "--x"), **{"ratio": ONE, **members})


def words(conversation: Conversation, turn: int = 0) -> list[str]:
    return str(conversation.prompts[turn]["content"]).split()


@pytest.mark.parametrize("text", ["", "0", "-1", "a", "1.5", "9-3", "1-", ":4", "5:", "1-2-3", "99999999"])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--input-tokens"):
        Lengths.parse(text, "--input-tokens")


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers())
def test_uniform_lengths_are_in_their_range(low: int, more: int, seed: int) -> None:
    lengths = Lengths.parse(f"{low}-{low + more}", "--x")
    generator = random.Random(seed)  # noqa: S311
    assert all(low <= lengths.sample(generator) <= low + more for _ in range(20))
    assert lengths.mean == low + more / 2


def test_normal_lengths_have_mean_and_deviation() -> None:
    lengths, generator = Lengths.parse("500:50", "--x"), random.Random(1)  # noqa: S311
    samples = [lengths.sample(generator) for _ in range(2000)]
    assert sum(samples) / len(samples) == pytest.approx(500, rel=0.01)
    assert min(Lengths.parse("2:500", "--x").sample(generator) for _ in range(100)) == 1


@given(st.floats(0, 100), st.floats(0.5, 5), st.integers(1, 500))
def test_a_prompt_has_the_words_of_its_tokens(base: float, per_word: float, count: int) -> None:
    counted = [(n, round(base + n * per_word)) for n in (8, 800)]
    ratio = Ratio.of(counted[0], counted[1])
    # Rounding to whole tokens is all that is lost.
    assert abs(ratio.words(base + count * per_word) - count) <= 2 + 2 / per_word


def test_prompts_by_tokens_need_a_server_that_counts_them() -> None:
    with pytest.raises(InputError, match="--dataset"):
        Ratio.of((8, 5), (800, 5))


def test_synthetic_prompts_have_their_length_and_their_seed() -> None:
    first, again = synthetic(seed=4), synthetic(seed=4)
    assert first.conversation(7) == again.conversation(7)
    assert len(words(first.conversation(7))) == 40
    assert 8 <= first.conversation(7).output_tokens[0] <= 16
    assert first.conversation(7) != synthetic(seed=5).conversation(7)


def test_synthetic_prompts_do_not_begin_alike() -> None:
    workload = synthetic("1000")
    prompts = [words(workload.conversation(number)) for number in range(50)]
    assert len({tuple(prompt[:8]) for prompt in prompts}) == 50


def test_runs_differ_in_their_words_and_not_in_their_lengths() -> None:
    first, second = (synthetic("20-400", run=run).conversation(3) for run in ("1", "2"))
    assert words(first) != words(second)
    assert len(words(first)) == len(words(second))
    assert first.output_tokens == second.output_tokens


def test_distinct_prompts_repeat_in_all_runs() -> None:
    first, second = (synthetic(distinct=2, run=run) for run in ("1", "2"))
    assert first.conversation(0) == first.conversation(2) == second.conversation(4)
    assert first.conversation(0) != first.conversation(1)


def test_a_shared_prefix_is_part_of_the_length() -> None:
    workload = synthetic("50", shared_prefix_tokens=30)
    first, second = words(workload.conversation(0)), words(workload.conversation(1))
    assert len(first) == len(second) == 40
    assert first[:30] == second[:30]
    assert first[30:] != second[30:]


def test_later_turns_have_no_prefix_and_no_template() -> None:
    conversation = synthetic("50", turns=3, shared_prefix_tokens=30).conversation(0)
    assert [len(words(conversation, turn)) for turn in range(3)] == [40, 50, 50]
    assert words(conversation, 0)[:5] != words(conversation, 1)[:5]


def test_prompts_of_a_data_set(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    messages = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two?"},
    ]
    shared = [
        {"from": "human", "value": "Three?"},
        {"from": "gpt", "value": "3"},
        {"from": "human", "value": "Four?"},
    ]
    records = [
        {"prompt": "Zero\u2028?", "output_tokens": 5, "category": "numbers"},
        {"messages": [system, *messages]},
        {"id": "x", "conversations": shared},
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n\n")
    single = read_dataset(file)
    assert [prompt["content"] for item in single for prompt in item.prompts] == [
        "Zero\u2028?",
        "Two?",
        "Three?",
    ]
    assert single[1].opening == (system, *messages[:2])
    several = read_dataset(file, turns=2)
    assert [prompt["content"] for prompt in several[1].prompts] == ["One?", "Two?"]
    assert several[1].opening == (system,)
    assert [prompt["content"] for prompt in several[2].prompts] == ["Three?", "Four?"]
    workload = Dataset(single, Lengths("9", 9))
    assert [workload.conversation(number).output_tokens for number in range(4)] == [(5,), (9,), (9,), (5,)]
    file.write_text(json.dumps(records))
    assert read_dataset(file) == single


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ('{"prompt": "a"}\n{"prompt": 1}', "line 2: prompt"),
        ('{"prompt": "a"}\n{"question": "b"}', "line 2: has neither"),
        ('{"prompt": "a"', "line 1: not JSON"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "has no prompt"),
        ("", "has no prompt"),
    ],
)
def test_damaged_data_sets(tmp_path: Path, text: str, damage: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_dataset(file)
    assert damage in str(error.value)
    assert str(file) in str(error.value)


def test_a_data_set_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_dataset(tmp_path / "prompts.jsonl")
