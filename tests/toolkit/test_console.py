"""Progress in a pipe, and where data goes."""

from __future__ import annotations

import io

import pytest

from toolkit.console import Console


def test_data_and_messages_do_not_mix() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err)
    with console.progress("deploying") as progress:
        progress.line("endpoint created")
        console.data("https://example.invalid/v1")
    assert out.getvalue() == "https://example.invalid/v1\n"
    assert err.getvalue() == "deploying …\nendpoint created\n"


def test_frequent_updates_do_not_drown_a_pipe() -> None:
    err = io.StringIO()
    with Console(io.StringIO(), err).progress("waiting") as progress:
        for second in range(1000):
            progress.update(f"{second} s")
    assert len(err.getvalue().splitlines()) <= 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


HOSTILE = "mallory\x1b]0;owned\x07\x9b2J\u202e\rend"
HARMLESS = "mallory\ufffd]0;owned\ufffd\ufffd2J\ufffd\ufffdend"


@pytest.mark.parametrize("interactive", [False, True])
def test_control_characters_do_not_reach_a_terminal(
    interactive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    out, err = Terminal(), Terminal()
    console = Console(out, err, interactive=interactive)
    console.data(HOSTILE)
    console.line(HOSTILE)
    assert (out.getvalue(), err.getvalue()) == (f"{HARMLESS}\n", f"{HARMLESS}\n")
    with console.progress(HOSTILE) as progress:
        progress.update(HOSTILE)
        progress.line(HOSTILE)
    assert not console.confirm(HOSTILE)
    assert not {"\x9b", "\x07", "\u202e"} & set(err.getvalue())


def test_data_reaches_a_pipe_unchanged_and_lines_keep_tabs() -> None:
    out, err = io.StringIO(), io.StringIO()
    Console(out, err).data(HOSTILE)
    Console(out, err).line("a\tb\r\nc")
    assert (out.getvalue(), err.getvalue()) == (f"{HOSTILE}\n", "a\tb\nc\n")


def test_a_ci_variable_makes_a_terminal_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert Console(err=Terminal()).interactive
    monkeypatch.setenv("CI", "true")
    assert not Console(err=Terminal()).interactive


def test_text_with_brackets_is_shown_as_it_is_on_a_terminal() -> None:
    err = io.StringIO()
    console = Console(io.StringIO(), err, interactive=True)
    with console.progress("reading [models]") as progress:
        progress.update("aws_sagemaker_model.this[0]")
        progress.line('module.x["a"] done')
    assert 'module.x["a"] done' in err.getvalue()
