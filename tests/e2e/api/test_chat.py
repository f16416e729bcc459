"""`toolkit chat` with a deployed API: on a real terminal, in a pipe, and as a web page."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Api, events
from tests.support import browser
from tests.support.checkout import clean_environment
from tests.support.cloud import stream
from tests.support.patience import HANG_SECONDS
from tests.support.terminal import CTRL_C, Terminal, terminal

pytestmark = pytest.mark.e2e

CHAT = ("chat", "--env", "clients")


def pipe(api: Api, prompt: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "toolkit", *CHAT, *options],
        cwd=api.toolkit.project,
        env=clean_environment(),
        input=prompt,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in result.stderr
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


@pytest.mark.parametrize(
    ("model", "exit_code", "error"),
    [
        ("vectors", 2, "cannot chat with vectors: it creates embeddings, not text"),
        ("broken", 1, "cannot get a response: The model failed to respond (HTTP 502)"),
    ],
)
def test_errors_in_a_pipe_have_exit_codes(api: Api, model: str, exit_code: int, error: str) -> None:
    result = pipe(api, b"Hi", "--model", model)
    assert (result.returncode, result.stdout) == (exit_code, ""), result.stderr
    assert error in result.stderr


def test_a_pipe_gets_only_the_response(api: Api) -> None:
    result = pipe(api, "\x1b[31m one é\n".encode(), "--model", "echo", "--system", "Be brief.")
    assert (result.returncode, result.stdout) == (0, "\x1b[31m one é \n"), result.stderr
    assert "5 + 3 tokens" in result.stderr
    assert api.engine.requests[-1]["body"]["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.fixture
def endless(api: Api) -> Iterator[threading.Event]:
    """Let the model respond without an end; set when it is stopped."""
    behaviour, stopped = api.engine.behaviour, threading.Event()

    def words() -> Iterator[bytes]:
        try:
            for event in events(
                [{"delta": {"content": "on \x1b]0;owned\x07 "}}] * 10**6, {"delta": {}}, "stop"
            ):
                yield event
                # The next part must not arrive before the test has read this one.
                stopped.wait(0.01)
        finally:
            stopped.set()

    def respond(handler: Any, _: dict[str, Any]) -> None:
        api.engine.behaviour = behaviour
        stream(handler, words())

    api.engine.behaviour = respond
    yield stopped
    api.engine.behaviour = behaviour


@pytest.fixture
def chat(api: Api) -> Iterator[Terminal]:
    with terminal([*CHAT, "--model", "echo"], api.toolkit.project) as chat:
        chat.wait("> ")
        yield chat


def test_a_chat_on_a_terminal(api: Api, endless: threading.Event, chat: Terminal) -> None:
    chat.send("Tell me\n")
    chat.wait("owned")
    chat.send(CTRL_C)
    chat.wait("stopped\n> ")
    assert endless.wait(HANG_SECONDS), "the model continued"
    assert "\x1b]0;owned" not in chat.output
    # A line that was typed is dropped, and does not end the chat.
    chat.send("half a line")
    chat.wait("half a line")
    chat.send(CTRL_C)
    chat.wait("> ")
    chat.send("two words\n")
    chat.wait("two words \n")
    chat.wait("5 + 2 tokens\n> ")
    messages = api.engine.requests[-1]["body"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"].startswith("on \x1b]0;owned")
    # The arrow key brings the line back, and it can be edited.
    chat.send("\x1b[A\x7f again\n")
    chat.wait("two word again \n")
    chat.wait("> ")
    chat.send(CTRL_C)
    chat.wait("press Ctrl-C again to end the chat\n> ")
    chat.send(CTRL_C)
    assert chat.exit_code() == 130


@pytest.fixture
def page_url(api: Api) -> Iterator[str]:
    """The address of the page of a running `toolkit chat --web`."""
    command = subprocess.Popen(
        [sys.executable, "-m", "toolkit", *CHAT, "--model", "smollm2", "--max-tokens", "24", "--web"],
        cwd=api.toolkit.project,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    try:
        yield command.stdout.readline().strip()
    finally:
        command.terminate()
        assert command.wait(HANG_SECONDS) == 130


@pytest.mark.skipif(
    browser.PROGRAM is None, reason="no chromium on this machine: install it to run this test"
)
def test_the_web_page_shows_a_streamed_response(api: Api, page_url: str, tmp_path: Path) -> None:
    with browser.open_page(tmp_path) as page:
        page.open(page_url)
        page.wait("element('model').length > 0")
        # Neither asynchronous models nor those that create embeddings.
        models = page.run("[...element('model').options].map(option => option.value)")
        assert {"smollm2", "echo"} <= set(models)
        assert not {"embedder", "vectors"} & set(models)
        page.run(
            "new MutationObserver((changes) => { window.changes = (window.changes || 0) + changes.length; })"
            ".observe(log, {childList: true, subtree: true, characterData: true})"
        )
        page.type("Tell me a long story about a lighthouse.")
        page.press("Enter")
        page.wait("!abort && log.querySelector('.meta')")
        assert page.run("log.querySelector('.assistant .text').textContent.trim()")
        assert "24 tokens · truncated at the maximum number of tokens" in page.text
        # Two messages, and the parts of the response.
        assert page.run("window.changes") > 8
        assert api.key not in page.run("document.documentElement.outerHTML + location.href")
        assert page.problems == []
        page.screenshot(tmp_path / "page.png")  # for a person to look at
    base = page_url.split("#", maxsplit=1)[0]
    assert httpx.get(f"{base}settings", trust_env=False, timeout=HANG_SECONDS).status_code == 401
