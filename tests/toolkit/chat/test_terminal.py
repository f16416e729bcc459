"""Prompts, commands and interruptions. `tests/e2e/api/test_chat.py` has a real terminal."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.toolkit.chat.conftest import Api, completion, delta
from toolkit.chat.session import Session
from toolkit.chat.terminal import MAX_PROMPT_BYTES, Terminal, respond_once
from toolkit.console import Console
from toolkit.errors import InputError


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Chat:
    """A chat whose input the test provides; an exception is raised instead of a line."""

    def __init__(self, session: Session) -> None:
        self.out, self.err = Screen(), io.StringIO()
        self._lines: list[str | BaseException] = []
        console = Console(self.out, self.err, interactive=False)
        self.terminal = Terminal(session, session.settings(), console, self._read)

    def __call__(self, *lines: str | BaseException) -> str:
        """Run the chat with these lines and Ctrl-D; returns both outputs."""
        self._lines = [*lines, EOFError()]
        self.terminal.run()
        return self.err.getvalue() + self.out.getvalue()

    def _read(self, _: str) -> str:
        line = self._lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.fixture
def chat(session: Session) -> Chat:
    return Chat(session)


def contents(api: Api) -> list[str]:
    """The messages of the last request."""
    return [message["content"] for message in api.requests[-1]["messages"]]


def test_a_conversation(chat: Chat, api: Api) -> None:
    output = chat("Hi", "And?")
    assert chat.out.getvalue() == "Hello there\nHello there\n"
    assert "chat with small in x" in output
    assert "7 + 2 tokens" in output
    assert contents(api) == ["Hi", "Hello there", "And?"]


def test_reset_begins_a_new_conversation_with_the_same_settings(chat: Chat, api: Api) -> None:
    chat("/system Be brief.", "/model tiny", "Hi", "/reset", "Again")
    assert contents(api) == ["Be brief.", "Again"]
    assert api.requests[-1]["model"] == "tiny"
    chat("/system", "More")
    assert contents(api) == ["Again", "Hello there", "More"]


def test_commands_that_fail_do_not_end_the_chat(chat: Chat, api: Api) -> None:
    output = chat("/model gpt", "/nonsense", "/etc/hosts is what?", " /help me", "/model", "/help", "")
    assert "cannot chat with gpt" in output
    assert "unknown command /nonsense" in output
    assert "* small" in output
    assert "  tiny" in output
    assert "/history" in output
    assert [request["messages"][-1]["content"] for request in api.requests] == [
        "/etc/hosts is what?",
        " /help me",
    ]


def test_prompts_of_several_lines(chat: Chat, api: Api) -> None:
    chat('"""', "one", "/reset", 'two"""', "a\\", "b", '"""/quit"""', "pasted\ntext")
    prompts = [request["messages"][-1]["content"] for request in api.requests]
    assert prompts == ["one\n/reset\ntwo", "a\nb", " /quit", "pasted\ntext"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b" \n", "standard input is empty"),
        (b"one \xff", "byte 4 is not UTF-8"),
        (b" " * (MAX_PROMPT_BYTES + 1), "more than 10,000,000 bytes"),
    ],
    ids=["empty", "not UTF-8", "large"],
)
def test_prompts_in_a_pipe_are_checked(
    session: Session, api: Api, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(InputError, match=f"cannot send the prompt: .*{reason}"):
        respond_once(session, session.settings(), Console(io.StringIO(), io.StringIO(), interactive=False))
    assert api.requests == []


@pytest.mark.parametrize("end", ["/quit", '"""unfinished'])
def test_the_chat_ends(chat: Chat, api: Api, end: str) -> None:
    chat(end)
    assert api.requests == []


def test_control_characters_do_not_reach_the_terminal(chat: Chat, api: Api) -> None:
    api.events = [completion("\x1b]0;owned\x07", "one\r", "\ntwo\r", "three\u202e")]
    chat("Hi")
    assert chat.out.getvalue() == "\ufffd]0;owned\ufffdone\ntwo\ufffdthree\ufffd\n"


def test_an_error_does_not_end_the_chat(chat: Chat, api: Api) -> None:
    api.error = 400, b'{"error": {"message": "\\u001b]0;owned Bad."}}'
    output = chat("Hi")
    assert "error: cannot get a response: \ufffd]0;owned Bad (HTTP 400)\n  → change the request" in output
    api.error = None
    chat("Again")
    assert contents(api) == ["Again"]


def test_a_response_that_breaks_off_is_kept_and_marked(chat: Chat, api: Api) -> None:
    api.events = [[delta("The begin")], completion("ning")]
    output = chat("Hi", "/history", "Continue")
    assert chat.out.getvalue() == "The begin\nning\n"
    assert "the response is truncated\nerror: cannot complete the response" in output
    assert "you: Hi\nmodel (truncated): The begin" in output
    assert contents(api) == ["Hi", "The begin", "Continue"]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Interrupt the chat while it writes a part of a response."""
    part = Console.part

    def interrupt(during: str, *arguments: int) -> None:
        def write(console: Console, text: str) -> None:
            part(console, text)
            if text == during:
                raise KeyboardInterrupt(*arguments)

        monkeypatch.setattr(Console, "part", write)

    yield interrupt


def test_ctrl_c_stops_a_response_and_keeps_its_beginning(
    chat: Chat, api: Api, interrupt: Callable[..., None]
) -> None:
    interrupt("Hello", signal.SIGINT)
    output = chat("Hi", "/history")
    assert "stopped\n" in output
    assert "model (truncated): Hello" in output
    assert chat.out.getvalue() == "Hello\n"


def test_ctrl_c_twice_ends_the_chat(chat: Chat, api: Api) -> None:
    interrupt = KeyboardInterrupt(signal.SIGINT)
    assert "press Ctrl-C again" in chat(interrupt, "Hi", interrupt)
    with pytest.raises(KeyboardInterrupt):
        chat("Hi", interrupt, interrupt)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_the_chat(chat: Chat, interrupt: Callable[..., None], signum: int) -> None:
    interrupt("Hello", signum)
    with pytest.raises(KeyboardInterrupt):
        chat("Hi")
    with pytest.raises(KeyboardInterrupt):
        chat(KeyboardInterrupt(signum))
