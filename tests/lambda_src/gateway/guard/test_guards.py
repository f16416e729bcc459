from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Block, Content, Replace
from gateway.guard.entry_point import EntryPoint
from gateway.guard.guards import Guards
from gateway.settings import GuardSettings, Model

CONTENT = Content("", "input", "demo", "team", "r-1")


def run(*functions: Any, texts: Sequence[str] = ("a", "", "b"), **settings: Any) -> list[str]:
    guards = Guards(GuardSettings(python="own:check", **settings), [EntryPoint(f) for f in functions])
    return asyncio.run(guards.check(texts, CONTENT))


def test_each_guard_gets_the_text_of_the_one_before() -> None:
    received: list[Content] = []

    def first(content: Content) -> Replace:
        return Replace(f"<{content.text}>" if content.text == "a" else "")

    async def second(content: Content) -> None:
        received.append(content)

    assert run(first, second) == ["<a>", "", ""]
    # There is nothing to check in an empty text.
    assert received == [Content("<a>", "input", "demo", "team", "r-1")]


def test_the_first_guard_that_blocks_decides() -> None:
    def second(content: Content) -> None:
        raise AssertionError(content)

    with pytest.raises(ContentFilterError) as caught:
        run(lambda content: Block(f"no {content.text}"), second)
    assert caught.value.message == "no a"


def test_a_guard_that_does_not_finish_in_time_fails() -> None:
    async def hang(content: Content) -> None:
        await asyncio.Event().wait()

    with pytest.raises(GuardError, match="cannot be checked") as caught:
        run(hang, timeout_seconds=0.01)
    assert caught.value.cause == "not finished after 0.01 s"


@pytest.mark.parametrize("verdict", [True, "text", Replace(1), Block(None)])  # type: ignore[arg-type]
def test_other_verdicts_are_failures(verdict: Any) -> None:
    with pytest.raises(GuardError):
        run(lambda _: verdict)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_the_log_gets_the_place_of_an_exception_only(error: type[BaseException]) -> None:
    def fail(content: Content) -> None:
        raise error(content.text)

    with pytest.raises(GuardError) as caught:
        run(fail, texts=["private"])
    line = fail.__code__.co_firstlineno + 1
    assert caught.value.cause == f"guard: {error.__name__} in test_guards.py:{line}"


def test_a_model_is_guarded_as_its_fallback_is() -> None:
    guards = Guards(
        GuardSettings(python="a:b", models=frozenset({"strict"}), sources=frozenset({"input"})), []
    )
    models = [Model("strict", "e"), Model("falls", "e", fallback="strict"), Model("free", "e")]
    assert [guards.of(model, "input") for model in models] == [True, True, False]
    assert not guards.of(models[0], "output")
