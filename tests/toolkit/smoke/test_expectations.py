"""Each expectation of the documentation accepts an answer that meets it, and explains one that does not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.checkout import ROOT
from toolkit.environment import Model, load
from toolkit.environment.expectations import LANGUAGES, Expectation
from toolkit.project import Project
from toolkit.smoke.expectations import Verdict, judge, judge_one

PAGE = (ROOT / "docs" / "how-to" / "expectations.md").read_text()
REST = {"target": "aws", "name": "llm", "region": "us-east-1", "account_id": "123456789012"}
MODEL = {
    "serving": {"engine": "vllm"},
    "source": {"hub": "Qwen/Qwen3-8B", "revision": "b968826d9c46dd6066d109eabc6255188de91218"},
    "instance_type": "ml.g6.2xlarge",
}


def loaded(tmp_path: Path, models: Mapping[str, Any]) -> Mapping[str, Model]:
    """The models of an environment file, with these sections."""
    project = Project(tmp_path)
    file = project.environment_file("dev")
    file.parent.mkdir(parents=True, exist_ok=True)
    YAML().dump({**REST, "models": {name: {**MODEL, **model} for name, model in models.items()}}, file)
    return load(project, "dev").models


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Model, Expectation]]:
    """The expectations of the page, by name."""
    directory = tmp_path_factory.mktemp("project")
    (directory / "prompts").mkdir()
    lines = re.findall(r'^    (\{"prompt".*\})$', PAGE, re.MULTILINE)
    (directory / "prompts" / "german.jsonl").write_text("\n".join(lines))
    expectations = {}
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for model in loaded(directory, YAML(typ="safe", pure=True).load(block)["models"]).values():
            expectations |= {expectation.name: (model, expectation) for expectation in model.expectations}
    return expectations


def message(
    content: str | None = None, finish: str = "stop", tokens: int | None = None, **members: Any
) -> Any:
    choice = {"message": {"role": "assistant", "content": content, **members}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"completion_tokens": tokens}}


def call(name: str, arguments: str) -> Any:
    function = {"name": name, "arguments": arguments}
    return message(tool_calls=[{"id": "1", "type": "function", "function": function}])


def vectors(*numbers: list[float]) -> Any:
    return {"data": [{"embedding": vector} for vector in numbers]}


PARIS = "The capital of France is Paris, a large city."
# An answer that meets the expectation, one that does not, and a part of the reason.
CASES: dict[str, tuple[Any, Any, str]] = {
    "capital": (message(PARIS), message("It is Lyon."), "does not contain 'Paris': \"It is Lyon.\""),
    "year": (message("In 1989."), message("In 19890."), r"does not match \b1989\b"),
    "fruit": (
        message('{"fruit": "apple", "colour": "red"}'),
        message('{"fruit": "apple", "colour": "blue"}'),
        "does not fit the JSON schema at colour, ",
    ),
    "detail": (message("A tower.", tokens=30), message("A tower.", tokens=29), "29 tokens, fewer than 30"),
    "harmful": (
        message("I can\u2019t help with that."),
        message("Take a pipe."),
        "does not refuse",
    ),
    "harmless": (message("Use kill."), message("I cannot assist with that."), "refuses"),
    "german": (
        message("Ein Leuchtturm weist Schiffen den Weg."),
        message("A lighthouse guides ships at night."),
        "its language is en, not de",
    ),
    "counting": (
        message("One, two, three, four, five."),
        message("I like counting."),
        "similarity at most 0.74, less than 0.8",
    ),
    "weather": (
        call("get_weather", '{"unit": "C", "city": "Paris"}'),
        call("get_weather", '{"city": "Lyon"}'),
        'calls get_weather with city "Lyon", not "Paris"',
    ),
    "joke": (message("A cat walks in."), message("A dog walks in."), "0 of 2 attempts passed"),
    "size": (vectors([0.5] * 768), vectors([0.5] * 384), "384 dimensions, not 768"),
    "kittens": (
        vectors([1, 0], [1, 1], [0, 1]),
        vectors([1, 0], [0, 1], [1, 1]),
        '"a cat" is not closer: cosine to "a kitten" 0.000',
    ),
    "german 1": (
        message("Er weist dem Schiff nachts den Weg."),
        message("Er weist Booten nachts den Weg."),
        "does not contain 'Schiff'",
    ),
    "zählen": (
        message("Eins, zwei, drei, VIER und dann fünf."),
        message("Eins, zwei, drei und dann fünf."),
        "does not match (?i)vier",
    ),
}


def ask(documented: tuple[Model, Expectation], response: Any) -> Verdict:
    return judge_one(*documented, lambda _: json.dumps(response).encode())


@pytest.mark.parametrize("name", CASES)
def test_a_documented_expectation_tells_answers_apart(
    documented: Mapping[str, tuple[Model, Expectation]], name: str
) -> None:
    met, unmet, reason = CASES[name]
    assert ask(documented[name], met).ok, ask(documented[name], met).detail
    verdict = ask(documented[name], unmet)
    assert (verdict.ok, verdict.name) == (False, name)
    assert reason in verdict.detail


def test_the_page_documents_every_key(documented: Mapping[str, tuple[Model, Expectation]]) -> None:
    assert documented.keys() == CASES.keys()
    used = {key for _, expectation in documented.values() for key in expectation.model_fields_set}
    assert used | {"prompts"} == Expectation.model_fields.keys() - {"request"}
    assert "request` adds" in PAGE


OTHER_PROBLEMS = {
    "not JSON": (
        "fruit",
        message("An apple."),
        'not JSON: Expecting value: "An apple."',
    ),
    "cut off": ("fruit", message('{"fruit": ', finish="length"), "; it ended at max_tokens"),
    "a short text": ("german", message("Ja!"), "too short to recognize its language"),
    "no usage": ("detail", message("A tower."), "does not count the tokens"),
    "no call": ("weather", message("Sunny."), 'does not call get_weather: "Sunny."'),
    "another tool": ("weather", call("get_news", "{}"), "calls get_news, not get_weather"),
    "a missing argument": ("weather", call("get_weather", "{}"), "without the argument city"),
    "damaged arguments": ("weather", call("get_weather", '{"city": "Par'), "damaged arguments, "),
    "an empty answer": ("capital", message(None), "does not contain 'Paris': \"\""),
    "an empty answer, where a refusal is wrong": ("harmless", message(""), "the answer is empty"),
    "another program": ("capital", {"status": "ok"}, "not a chat completion: "),
    "too few vectors": ("kittens", vectors([1, 0]), "1 embeddings of 3 texts"),
    "zeros": ("size", vectors([0.0] * 768), "all numbers of an embedding are zero"),
    "a guard": (
        "capital",
        {"error": {"code": "content_filter", "message": "blocked"}},
        "an error, not an answer: blocked",
    ),
}


@pytest.mark.parametrize("case", OTHER_PROBLEMS)
def test_another_problem_is_explained(documented: Mapping[str, tuple[Model, Expectation]], case: str) -> None:
    name, response, reason = OTHER_PROBLEMS[case]
    verdict = ask(documented[name], response)
    assert not verdict.ok
    assert reason in verdict.detail


@pytest.mark.parametrize(
    "response",
    [message(None, refusal="No."), {"error": {"code": "content_filter", "message": "blocked"}}],
    ids=["member", "guard"],
)
def test_a_refusal_need_not_be_in_words(
    documented: Mapping[str, tuple[Model, Expectation]], response: Any
) -> None:
    assert ask(documented["harmful"], response).ok


def test_attempts_end_when_the_result_is_certain(
    documented: Mapping[str, tuple[Model, Expectation]],
) -> None:
    for letters, ok in {"cc": True, "dcc": True, "cdc": True, "dd": False, "cdd": False}.items():
        remaining = list(letters)
        words = {"c": "A cat.", "d": "A dog."}
        verdict = judge_one(
            *documented["joke"],
            lambda _: json.dumps(message(words[remaining.pop(0)])).encode(),  # noqa: B023
        )
        assert (verdict.ok, remaining) == (ok, [])


def test_requests_are_those_of_the_api(tmp_path: Path) -> None:
    schema = {"type": "object"}
    model = loaded(
        tmp_path,
        {
            "chat": {
                "limits": {"max_tokens_ceiling": 100},
                "expectations": [
                    {"name": "one", "prompt": "Hi", "json_schema": schema, "request": {"seed": 1}},
                    {"name": "two", "prompt": "Hi", "min_tokens": 1, "max_tokens": 9, "temperature": 1},
                ],
            }
        },
    )["chat"]
    sent: list[dict[str, Any]] = []

    def send(body: dict[str, Any]) -> bytes:
        sent.append(body)
        return json.dumps(message("{}", tokens=1)).encode()

    assert [verdict.ok for verdict in judge(model, send)] == [True, True]
    hello = [{"role": "user", "content": "Hi"}]
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    assert sent == [
        {"seed": 1, "messages": hello, "max_tokens": 100, "temperature": 0, "response_format": form},
        {"messages": hello, "max_tokens": 9, "temperature": 1},
    ]


def test_a_golden_answer_is_compared_with_an_endless_one(tmp_path: Path) -> None:
    expectations = [{"name": "golden", "prompt": "Hi", "golden": {"text": "a" * 2000}}]
    model = loaded(tmp_path, {"chat": {"expectations": expectations}})["chat"]
    started = time.process_time()
    (verdict,) = judge(model, lambda _: json.dumps(message("a" * 1_000_000)).encode())
    assert "similarity at most 0.00, less than 0.9" in verdict.detail
    # Of each part of both texts, the comparison takes minutes.
    assert time.process_time() - started < 60


def test_a_reason_does_not_repeat_a_long_answer(
    documented: Mapping[str, tuple[Model, Expectation]],
) -> None:
    long = "x" * 100_000
    for name, response in {
        "fruit": message(json.dumps(long)),
        "weather": call("get_weather", json.dumps({"city": long})),
        "capital": {"error": {"message": long}},
    }.items():
        verdict = ask(documented[name], response)
        assert not verdict.ok
        assert len(verdict.detail) < 2000


def test_a_regular_expression_that_backtracks_ends(tmp_path: Path) -> None:
    expectations = [{"name": "slow", "prompt": "Hi", "regex": r"^((a|aa)\2?)+(?=c)$"}]
    model = loaded(tmp_path, {"chat": {"expectations": expectations}})["chat"]
    started = time.process_time()
    (verdict,) = judge(model, lambda _: json.dumps(message("a" * 5000 + "b")).encode())
    assert not verdict.ok
    # Python's `re` would not end in a lifetime.
    assert time.process_time() - started < 60


def test_the_languages_are_those_that_the_library_knows() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    classes = LanguageIdentifier.from_model_file(MODEL_FILE).nb_classes
    assert {name for name in classes if len(name) == 2} == set(LANGUAGES)
