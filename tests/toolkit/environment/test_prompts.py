"""Files of expectations: merged with their entry, and reported with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolkit.environment.invalid_files import VALID
from toolkit.environment import EnvironmentFileError, Model, load
from toolkit.project import Project

ENTRY = "{name: geo, prompts: prompts/geo.jsonl, language: en, max_tokens: 50, request: {seed: 1}}"


def load_prompts(directory: Path, lines: str | bytes, entries: str = ENTRY) -> Model:
    project = Project(directory)
    file = project.environment_file("dev")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(VALID.replace("    aliases: [chat]\n", f"    expectations: [{entries}]\n"))
    (directory / "prompts").mkdir(exist_ok=True)
    content = lines if isinstance(lines, bytes) else lines.encode()
    (directory / "prompts" / "geo.jsonl").write_bytes(content)
    return load(project, "dev").models["qwen3-8b"]


def test_a_line_is_an_expectation_with_the_defaults_of_its_entry(tmp_path: Path) -> None:
    named = '{"name": "two", "messages": [{"role": "user", "content": "Hi"}]}'
    lines = f'{{"prompt": "Hi", "max_tokens": 9}}\n\n{named}\n'
    other = "{name: last, prompt: Hi, min_tokens: 2}"
    model = load_prompts(tmp_path, lines, f"{ENTRY}, {other}")
    first, second, last = model.expectations
    assert (first.name, first.prompt, first.language, first.max_tokens) == ("geo 1", "Hi", "en", 9)
    assert (second.name, second.language, second.max_tokens) == ("two", "en", 50)
    assert first.request == second.request == {"seed": 1}
    assert (last.name, last.language) == ("last", None)


def test_a_line_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    text = "One\u2028two\x85three."
    lines = f'{{"prompt": "{text}"}}\r\n{{"prompt": "Hi"}}\r\n'
    assert [item.prompt for item in load_prompts(tmp_path, lines).expectations] == [text, "Hi"]


PROBLEMS = {
    "not JSON": ('{"prompt": "Hi"}\n{prompt: Hi}\n', 2, "not JSON: "),
    "a list": ("[]\n", 1, "write one JSON object a line"),
    "a repeated key": ('{"prompt": "Hi", "prompt": "Ho"}\n', 1, "prompt"),
    "an unknown key": (
        '\n{"prompt": "Hi", "contain": ["x"]}\n',
        2,
        "contain: unknown key; did you mean contains?",
    ),
    "a wrong type": ('{"prompt": 5}\n', 1, 'prompt: 5 is a number, not a string; quote it: "5"'),
    "no prompt": ('{"contains": ["x"]}\n', 1, "the expectation asks nothing"),
    "a wrong role": (
        '{"messages": [{"role": "human", "content": "Hi"}]}\n',
        1,
        'messages[0].role: "human" is not supported',
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_is_reported_with_file_and_line(tmp_path: Path, case: str) -> None:
    lines, line, reason = PROBLEMS[case]
    with pytest.raises(EnvironmentFileError) as caught:
        load_prompts(tmp_path, lines)
    assert caught.value.where == f"prompts/geo.jsonl:{line}"
    assert reason in caught.value.message
    assert caught.value.exit_code == 2


def test_all_problems_of_a_file_are_reported(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        load_prompts(tmp_path, '{"prompt": 5}\n{"prompt": "Hi"}\n{"prompt": 6}\n')
    assert [where for where, _ in caught.value.problems] == ["prompts/geo.jsonl:1", "prompts/geo.jsonl:3"]


@pytest.mark.parametrize(
    ("lines", "entries", "reason"),
    [
        (
            b"\xff",
            ENTRY,
            r"expectations\[0\]\.prompts: cannot read prompts/geo\.jsonl: byte 0xFF is not UTF-8",
        ),
        ("\n \n", ENTRY, r"prompts/geo\.jsonl has no expectation; add a line"),
        (
            '{"prompt": "Hi", "min_tokens": 60}\n',
            ENTRY,
            "min_tokens 60 is more than the 50 tokens of the answer",
        ),
        ('{"prompt": "Hi"}\n' * 2**17, ENTRY, "larger than 1024 KiB"),
        ('{"prompt": "Hi", "name": "x"}\n' * 2, ENTRY, "x: another expectation is named x; rename one"),
        (
            '{"input": "Hi", "dimensions": 8}\n',
            "{name: geo, prompts: prompts/geo.jsonl}",
            "geo 1: the model does not",
        ),
    ],
    ids=["encoding", "empty", "tokens", "size", "names", "task"],
)
def test_a_problem_of_the_whole_file_names_the_environment_file(
    tmp_path: Path, lines: str | bytes, entries: str, reason: str
) -> None:
    with pytest.raises(EnvironmentFileError, match=reason) as caught:
        load_prompts(tmp_path, lines, entries)
    assert caught.value.where == "terraform/environments/dev.yaml:19"
