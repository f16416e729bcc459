"""The web page in a real browser, with hostile, slow and failing responses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.browser import CONTRASTS, Page
from tests.support.patience import HANG_SECONDS
from tests.toolkit.chat.conftest import KEY, Api, completion, delta
from toolkit.chat.session import Session
from toolkit.chat.web import ChatServer, listen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browser.PROGRAM is None, reason="no chromium on this machine: install it to run this test"
    ),
]
HOSTILE = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>
</div></body>[link](javascript:alert(1)) <b>bold</b> &lt;"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser.open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def server(session: Session, page: Page) -> Iterator[ChatServer]:
    """The server, whose page is open; no test may leave an error on the page's console."""
    settings = session.settings(system="Be brief.", max_tokens=64)
    with listen(session, settings, port=0) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        page.open(server.url)
        page.wait("element('model').length > 0")
        yield server
        server.shutdown()
    assert page.problems == []


def send(page: Page, text: str) -> None:
    page.type(text)
    page.press("Enter")


def test_a_conversation(page: Page, server: ChatServer, api: Api) -> None:
    api.events = [completion("Hello", " there"), completion("Fine")]
    assert page.run("document.title") == "Chat with x"
    assert page.run("[...element('model').options].map(option => option.value)") == ["small", "tiny"]
    send(page, "Hi")
    page.wait("!abort && log.innerText.includes('7 + 2 tokens')")
    assert page.run("log.querySelector('.assistant .text').textContent") == "Hello there"
    assert page.run("document.activeElement.id") == "prompt"
    send(page, "How are you?")
    page.wait("!abort && log.innerText.includes('Fine')")
    contents = [message["content"] for message in api.requests[-1]["messages"]]
    assert contents == ["Be brief.", "Hi", "Hello there", "How are you?"]
    assert api.requests[-1]["max_tokens"] == 64
    page.run("element('reset').click()")
    send(page, "Again")
    page.wait("!abort && log.innerText.includes('Fine')")
    assert [message["content"] for message in api.requests[-1]["messages"]] == ["Be brief.", "Again"]


def test_the_key_and_the_secret_are_not_on_the_page(page: Page, server: ChatServer, api: Api) -> None:
    send(page, "Hi")
    page.wait("!abort && log.innerText.includes('there')")
    assert api.engine.requests[-1]["headers"]["authorization"] == f"Bearer {KEY}"
    state = page.run(
        "JSON.stringify([location.href, document.documentElement.outerHTML, document.cookie,"
        " {...localStorage}, {...sessionStorage}, performance.getEntries()])"
    )
    assert KEY not in state
    assert server.secret not in page.run("location.href + document.documentElement.outerHTML")
    # Prompts are not stored, either.
    assert page.run("Object.keys({...localStorage, ...sessionStorage})") == ["secret"]
    assert {url.split("#")[0] for url in page.requests if url.startswith(server.url.split("#")[0])} == {
        server.url.split("#")[0] + path for path in ("", "settings", "chat")
    }
    assert [
        url for url in page.requests if not url.startswith(("http://127.0.0.1:", "data:", "about:"))
    ] == []


def test_text_of_models_and_users_is_never_html(page: Page, server: ChatServer, api: Api) -> None:
    api.events = [completion(HOSTILE[:30], HOSTILE[30:])]
    send(page, HOSTILE.replace("\n", " "))
    page.wait("!abort && log.querySelector('.meta')")
    assert page.run("log.querySelector('.assistant .text').textContent") == HOSTILE
    assert page.run("log.querySelectorAll('img, script, a, b').length") == 0
    assert page.run("document.title") == "Chat with x"


def test_parts_appear_before_the_response_ends_and_stop_ends_it(
    page: Page, server: ChatServer, api: Api
) -> None:
    release, closed = threading.Semaphore(0), threading.Event()

    def endless() -> Iterator[bytes]:
        yield delta("first")
        release.acquire(timeout=HANG_SECONDS)
        try:
            while True:
                yield delta(" next")
        finally:
            closed.set()

    api.events = [endless, completion("Fine")]
    send(page, "Count")
    page.wait("log.innerText.includes('first')")
    assert page.run("log.ariaBusy") == "true"
    page.press("Escape")
    page.wait("!abort")
    release.release()
    assert closed.wait(HANG_SECONDS), "the model continued"
    assert "stopped" in page.text
    assert page.run("log.ariaBusy") == "false"
    send(page, "And now?")
    page.wait("!abort && log.innerText.includes('Fine')")
    assert [message["content"] for message in api.requests[-1]["messages"]][2:] == ["first", "And now?"]


def test_errors_are_shown_and_the_message_can_be_sent_again(page: Page, server: ChatServer, api: Api) -> None:
    api.error = 400, b'{"error": {"message": "<b>Too long.</b>", "code": "context_length_exceeded"}}'
    send(page, "Hi")
    page.wait("!abort && log.querySelector('.error')")
    error = page.run("log.querySelector('.error').textContent")
    assert error == "cannot get a response: <b>Too long.</b> (HTTP 400)\n  → begin a new conversation"
    assert page.run("prompt.value") == "Hi"
    api.error = None
    page.press("Enter")
    page.wait("!abort && log.innerText.includes('there')")
    assert [message["content"] for message in api.requests[-1]["messages"]] == ["Be brief.", "Hi"]


def test_a_response_that_breaks_off_stays_in_view(page: Page, server: ChatServer, api: Api) -> None:
    api.events = [[delta("The begin")], completion("Fine")]
    send(page, "Hi")
    page.wait("!abort && log.querySelector('.error')")
    assert page.run("log.querySelector('.assistant').innerText.split('\\n').includes('truncated')")
    send(page, "Continue")
    page.wait("!abort && log.innerText.includes('Fine')")
    assert [message["content"] for message in api.requests[-1]["messages"]][2] == "The begin"


UNLABELLED = """[...document.querySelectorAll("input, textarea, select, button")].filter((field) =>
  field.offsetParent && !field.labels.length && !(field.matches("button") && field.innerText)
).map((field) => field.outerHTML)"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_accessible(page: Page, server: ChatServer, api: Api, tmp_path: Path, dark: bool) -> None:
    api.events = [[delta(reasoning_content="Let me think."), *completion("Hello " * 200)], [delta("Broken")]]
    page.emulate(dark=dark, width=360, height=700)
    page.run("element('settings').open = true")
    for text in ("Hi", "Again"):
        send(page, text)
        page.wait(f"!abort && log.innerText.includes({text!r})")
    page.wait("log.querySelector('.error')")
    assert page.run(CONTRASTS) == []
    assert page.run(UNLABELLED) == []
    # A phone shows everything without scrolling sideways.
    assert page.run("document.documentElement.scrollWidth") <= 360
    # For a person to look at.
    page.screenshot(tmp_path / "phone.png")
    page.run("element('settings').open = false")
    # Enlarged four times, the window scrolls, and the conversation stays readable.
    page.emulate(dark=dark, width=320, height=256)
    assert page.run("main.clientHeight") > 150
    page.emulate(dark=dark)
    page.screenshot(tmp_path / "desktop.png")
    page.run("prompt.focus()")
    reached = []
    for _ in range(8):
        page.press("Tab")
        reached.append(page.run("document.activeElement.id"))
    assert reached[0] == "send"
    assert {"model", "reset", "main"} <= set(reached)
