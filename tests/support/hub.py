"""A Hugging Face hub on 127.0.0.1: the part of its HTTP API that downloads need, with injected faults.

Like the real hub, it serves small files itself and redirects clients to a CDN, another
origin, for those in Git LFS.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_BLOCK_BYTES = 64 * 1024
_LISTING = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """A model's repository.

    Attributes:
        files: contents by name.
        lfs: names of those that are in Git LFS.
        commit: its one revision.
        gated: only tokens in `Hub.admitted` get files.
        private: others get 404.
    """

    files: dict[str, bytes]
    lfs: set[str]
    commit: str = "5" * 40
    gated: bool = False
    private: bool = False


@dataclass(frozen=True)
class Request:
    """A client's request.

    Attributes:
        host: "hub" or "cdn".
        path: without the query.
        token: the bearer token, or None.
        begin: first requested byte.
        sent: bytes of the body already sent.
    """

    host: str
    path: str
    token: str | None
    begin: int
    sent: int


@dataclass
class Fault:
    """An injected fault of a file.

    Attributes:
        after: bytes sent before the fault.
        held: pauses until it is set, then closes; None closes the connection immediately.
        damaged: sends all bytes, with wrong content.
        status: the response's status.
        times: number of occurrences.
    """

    after: int = 0
    held: threading.Event | None = None
    damaged: bool = False
    status: int | None = None
    times: int = 1


@dataclass
class Hub:
    """A running hub.

    Attributes:
        url: value of HF_ENDPOINT.
        repositories: by `owner/name`.
        tokens: valid tokens.
        admitted: valid tokens that may read gated and private repositories.
        faults: by file name.
        requests: all so far.
        reached: set when a fault with `held` starts to pause.
    """

    url: str = ""
    cdn_url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    admitted: set[str] = field(default_factory=set)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)

    def sent(self, name: str) -> list[tuple[int, int]]:
        """Return first byte and number of sent bytes of each request for a file."""
        return [
            (request.begin, request.sent)
            for request in self.requests
            if request.path.endswith(f"/{name}") and request.sent
        ]

    def take_fault(self, name: str) -> Fault | None:
        """Return the next fault of a file."""
        fault = self.faults.get(name)
        if fault is None or fault.times == 0:
            return None
        fault.times -= 1
        return fault


@contextmanager
def running() -> Iterator[Hub]:
    """Run a hub until the block ends."""
    hub = Hub()
    servers = [_server(hub, "hub"), _server(hub, "cdn")]
    hub.url, hub.cdn_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for fault in hub.faults.values():
            if fault.held is not None:
                fault.held.set()
        for server in servers:
            server.shutdown()
            server.server_close()


def git_blob_id(content: bytes) -> str:
    """Return git's blob id of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _server(hub: Hub, host: str) -> ThreadingHTTPServer:
    class Handler(_Handler):
        pass

    Handler.hub, Handler.host = hub, host
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    host: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.host == "cdn":
            self._serve_file(path)
        elif match := _LISTING.fullmatch(path):
            self._list(path, *match.groups())
        elif match := _FILE.fullmatch(path):
            self._resolve(path, *match.groups())
        else:
            self._refuse(path, 404, None, "Sorry, we can't find the page you are looking for.")

    do_HEAD = do_GET  # noqa: N815 - the name in http.server

    def log_message(self, *_: object) -> None:
        return

    @property
    def token(self) -> str | None:
        header = self.headers.get("authorization")
        return header.removeprefix("Bearer ") if header else None

    def _list(self, path: str, name: str, revision: str) -> None:
        repository = self._repository(path, name, revision)
        if repository is None:
            return
        siblings: list[dict[str, Any]] = []
        for file, content in repository.files.items():
            entry: dict[str, Any] = {
                "rfilename": file,
                "size": len(content),
                "blobId": git_blob_id(content),
            }
            if file in repository.lfs:
                pointer = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                entry |= {"lfs": pointer | {"pointerSize": 135}, "blobId": git_blob_id(b"pointer")}
            siblings.append(entry)
        body = {
            "_id": "0",
            "id": name,
            "modelId": name,
            "sha": repository.commit,
            "gated": "manual" if repository.gated else False,
            "private": repository.private,
            "siblings": siblings,
        }
        self._respond(path, 200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _repository(self, path: str, name: str, revision: str) -> Repository | None:
        if self.token is not None and self.token not in self.hub.tokens:
            self._refuse(path, 401, None, "Invalid credentials in Authorization header")
            return None
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self.token not in self.hub.admitted):
            # Without a login, the hub does not reveal which of the two it is.
            status, code = (401, None) if self.token is None else (404, "RepoNotFound")
            self._refuse(
                path, status, code, "Repository not found" if code else "Invalid username or password."
            )
            return None
        if revision != repository.commit:
            self._refuse(path, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository

    def _resolve(self, path: str, name: str, revision: str, file: str) -> None:
        repository = self._repository(path, name, revision)
        if repository is None:
            return
        if repository.gated and self.token not in self.hub.admitted:
            status = 401 if self.token is None else 403
            self._refuse(path, status, "GatedRepo", f"Access to model {name} is restricted.")
            return
        if file not in repository.files:
            self._refuse(path, 404, "EntryNotFound", "Entry not found")
            return
        content = repository.files[file]
        headers = {"X-Repo-Commit": repository.commit}
        if file in repository.lfs:
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(content))
            headers["Location"] = f"{self.hub.cdn_url}/{name}/{file}?signature=of-this-hour"
            self._respond(path, 302, b"", headers)
        else:
            self._serve_content(path, file, content, headers | {"ETag": f'"{git_blob_id(content)}"'})

    def _serve_file(self, path: str) -> None:
        owner, name, file = path.removeprefix("/").split("/", 2)
        content = self.hub.repositories[f"{owner}/{name}"].files[file]
        self._serve_content(path, file, content, {})

    def _serve_content(self, path: str, file: str, content: bytes, headers: dict[str, str]) -> None:
        fault = self.hub.take_fault(file)
        if fault is not None and fault.status is not None:
            self._refuse(path, fault.status, None, "out of order")
            return
        begin = (
            int(self.headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in self.headers else 0
        )
        if begin >= len(content) > 0:
            self._refuse(path, 416, None, "Range Not Satisfiable")
            return
        total, rest = len(content), content[begin:]
        if fault is not None and fault.damaged:
            rest = bytes(byte ^ 255 for byte in rest)
        if begin:
            headers = headers | {"Content-Range": f"bytes {begin}-{total - 1}/{total}"}
        self.send_response(206 if begin else 200)
        for key, value in (headers | {"Content-Length": str(len(rest)), "Accept-Ranges": "bytes"}).items():
            self.send_header(key, value)
        self.end_headers()
        cut = fault is not None and not fault.damaged
        self._send(path, begin, rest[: fault.after] if fault is not None and cut else rest)
        if fault is not None and cut:
            if fault.held is not None:
                self.hub.reached.set()
                fault.held.wait()
            self.close_connection = True

    def _send(self, path: str, begin: int, body: bytes) -> None:
        sent = 0
        try:
            if self.command != "HEAD":
                for offset in range(0, len(body), _BLOCK_BYTES):
                    sent += self.wfile.write(body[offset : offset + _BLOCK_BYTES])
                self.wfile.flush()
        except ConnectionError:
            # The client has disconnected, as the test intends.
            self.close_connection = True
        self.hub.requests.append(Request(self.host, path, self.token, begin, sent))

    def _respond(self, path: str, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        self._send(path, 0, body)

    def _refuse(self, path: str, status: int, code: str | None, message: str) -> None:
        headers = {"Content-Type": "application/json", "X-Error-Message": message}
        if code is not None:
            headers["X-Error-Code"] = code
        self._respond(path, status, json.dumps({"error": message}).encode(), headers)
