"""Requests that the server of the web page refuses. `test_browser.py` shows the page."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.patience import HANG_SECONDS
from tests.toolkit.chat.conftest import KEY, NO_CERTIFICATES, Api
from toolkit.chat import web
from toolkit.chat.session import Session
from toolkit.chat.terminal import MAX_PROMPT_BYTES
from toolkit.chat.web import ChatServer, listen
from toolkit.errors import InputError

REQUEST: dict[str, Any] = {
    "settings": {"model": "small"},
    "messages": [{"role": "user", "content": "Hi"}],
}


@pytest.fixture
def server(session: Session) -> Iterator[ChatServer]:
    with listen(session, session.settings(), port=0) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def browser(server: ChatServer) -> Iterator[httpx.Client]:
    """A client that sends what the page sends."""
    host = server.hosts[0]
    headers = {"authorization": f"Bearer {server.secret}", "origin": f"http://{host}"}
    settings: Any = {"trust_env": False, "verify": NO_CERTIFICATES, "timeout": HANG_SECONDS}
    with httpx.Client(base_url=f"http://{host}", headers=headers, **settings) as client:
        yield client


def test_the_events_of_a_response(browser: httpx.Client, api: Api) -> None:
    response = browser.post("/chat", json=REQUEST)
    *parts, last = [json.loads(line) for line in response.text.splitlines()]
    assert parts == [{"text": "Hello", "reasoning": ""}, {"text": " there", "reasoning": ""}]
    assert last["end"].endswith("7 + 2 tokens")
    assert api.engine.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


def test_no_response_contains_the_key(browser: httpx.Client, api: Api) -> None:
    api.error = 401, b'{"error": {"message": "Incorrect API key"}}'
    for response in (browser.get("/"), browser.get("/settings"), browser.post("/chat", json=REQUEST)):
        assert response.status_code == 200
        assert KEY not in response.text + str(response.headers)


def test_the_page_has_a_strict_policy(browser: httpx.Client) -> None:
    first, second = browser.get("/"), browser.get("/")
    policies = [response.headers["content-security-policy"] for response in (first, second)]
    assert policies[0] != policies[1]
    assert policies[0].startswith("default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-")
    assert "unsafe" not in policies[0]
    assert "//" not in first.text.replace("http-equiv", "").split("<body>")[0]


HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "localhost.evil.example:{port}",
    "",
]


@pytest.mark.parametrize("path", ["/", "/settings", "/chat"])
@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts_are_refused(
    browser: httpx.Client, server: ChatServer, api: Api, path: str, host: str
) -> None:
    """After DNS rebinding, a page of another site has its own name as the host."""
    name = host.format(port=server.server_address[1])
    headers = {"host": name, "origin": f"http://{name}"}
    response = browser.request("POST" if path == "/chat" else "GET", path, headers=headers, json=REQUEST)
    assert (response.status_code, api.requests) == (403, [])


@pytest.mark.parametrize("path", ["/", "/settings", "/chat"])
@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://{host}", "http://127.0.0.1:1"])
def test_other_origins_are_refused(
    browser: httpx.Client, server: ChatServer, api: Api, path: str, origin: str
) -> None:
    headers = {"origin": origin.format(host=server.hosts[0])}
    response = browser.request("POST" if path == "/chat" else "GET", path, headers=headers, json=REQUEST)
    assert (response.status_code, api.requests) == (403, [])
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "secret", ["", "Bearer", "Bearer wrong", "Basic {secret}", "Bearer {secret}x", "Bearer é"]
)
def test_requests_without_the_secret_are_refused(
    browser: httpx.Client, server: ChatServer, api: Api, secret: str
) -> None:
    headers = {"authorization": secret.format(secret=server.secret).encode()}
    for response in (
        browser.get("/settings", headers=headers),
        browser.post("/chat", headers=headers, json=REQUEST),
        browser.get("/missing", headers=headers),
    ):
        assert response.status_code == 401
        assert "small" not in response.text
    assert api.requests == []


def test_only_the_paths_of_the_page_exist(browser: httpx.Client) -> None:
    for method, path, status in [
        ("GET", "/chat", 404),
        ("POST", "/", 404),
        ("GET", "/v1/models", 404),
        ("GET", "/../etc/passwd", 404),
        ("OPTIONS", "/chat", 501),
        ("DELETE", "/chat", 501),
    ]:
        assert browser.request(method, path).status_code == status, (method, path)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"settings": {"model": "m"}, "messages": [{"role": "root", "content": "Hi"}]}', 400),
        (b'{"settings": {"model": "m", "temperature": "hot"}, "messages": []}', 400),
        (b'{"settings": {"model": "m"}, "messages": [{"role": "user", "content": "\\ud83d"}]}', 400),
    ],
)
def test_malformed_requests_are_refused(browser: httpx.Client, api: Api, content: bytes, status: int) -> None:
    response = browser.post("/chat", content=content)
    assert (response.status_code, api.requests) == (status, [])
    assert response.text.startswith("cannot read the request: ")


def test_requests_without_a_length_or_too_large_are_refused(browser: httpx.Client) -> None:
    assert browser.post("/chat", content=iter([b"{}"])).status_code == 411
    assert browser.post("/chat", content=b" " * (MAX_PROMPT_BYTES + 1)).status_code == 413


def test_a_port_in_use_is_an_error(session: Session, server: ChatServer) -> None:
    with pytest.raises(InputError, match="Address already in use"):
        listen(session, session.settings(), server.server_address[1])


def test_a_browser_opens_the_page_through_a_private_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other users can read the command line of the browser."""
    opened: list[str] = []
    file = tmp_path / "build" / "chat.html"

    def open_browser(address: str) -> None:
        opened.append(address)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "http://127.0.0.1:1/#secret" in file.read_text()

    monkeypatch.setattr(web.webbrowser, "open", open_browser)
    with web._opened("http://127.0.0.1:1/#secret", file):
        assert opened == [file.as_uri()]
    assert not file.exists()
