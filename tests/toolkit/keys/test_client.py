"""The client of the API repeats requests that got no response, and only those."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from toolkit.aws.access import AwsAccess
from toolkit.keys import rotation, wait_until_accepted
from toolkit.keys.client import RetryingClient, acceptance

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
RESET, CLOSED = b"reset", b""
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngo"


def busy(status: int, retry_after: str | None) -> bytes:
    header = f"retry-after: {retry_after}\r\n" if retry_after else ""
    return f"HTTP/1.1 {status} Busy\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n".encode()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start a server that gives one response to each connection; returns its address."""
    with contextlib.ExitStack() as stack:

        def start(*responses: bytes) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                for response in responses:
                    try:
                        client, _ = listener.accept()
                    except OSError:  # the test ended without asking for this response
                        return
                    with client:
                        client.recv(65536)
                        if response == RESET:
                            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        else:
                            client.sendall(response)

            threading.Thread(target=run, daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


@pytest.mark.parametrize(
    "failure", [RESET, CLOSED, busy(503, "0"), busy(429, "0")], ids=["reset", "closed", "503", "429"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_requests_without_a_response_are_repeated(
    serve: Callable[..., str], failure: bytes, stream: bool
) -> None:
    with RetryingClient(trust_env=False) as client:
        request = client.build_request("POST", serve(failure, failure, OK), content=b"question")
        response = client.send(request, stream=stream)
        assert (response.status_code, response.read()) == (200, b"good")


@pytest.mark.parametrize(
    "refused", [busy(503, None), busy(429, "3600"), busy(500, "0")], ids=["503", "long", "500"]
)
def test_other_errors_are_returned_at_once(serve: Callable[..., str], refused: bytes) -> None:
    with RetryingClient(trust_env=False) as client:
        assert client.get(serve(refused, OK)).is_error


def test_a_response_that_breaks_off_is_an_error(serve: Callable[..., str]) -> None:
    with RetryingClient(trust_env=False) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get(serve(CUT, OK))


@pytest.mark.slow
def test_retries_end(serve: Callable[..., str]) -> None:
    with RetryingClient(trust_env=False) as client, pytest.raises((httpx.ReadError, httpx.ConnectError)):
        client.get(serve(*[RESET] * 5))


def answered(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()


REFUSED, ACCEPTED, FORBIDDEN = (answered(status) for status in ("401 No", "200 OK", "403 Forbidden"))


@pytest.mark.parametrize(
    ("responses", "refused"),
    [
        # API Gateway's servers learn of a key one by one.
        ([REFUSED, ACCEPTED, REFUSED, *[ACCEPTED] * 5], []),
        # A private API, and an API that this machine does not reach.
        ([FORBIDDEN], []),
        ([RESET], []),
    ],
    ids=["new", "forbidden", "reset"],
)
def test_a_new_key_is_awaited(serve: Callable[..., str], responses: list[bytes], refused: list[str]) -> None:
    access = AwsAccess("us-east-1", "123456789012", "http://127.0.0.1", None)
    url = serve(*responses, FORBIDDEN)
    assert wait_until_accepted({"ci": "sk-ci"}, acceptance(access, url)) == refused
    # All responses but the last have been used.
    assert httpx.get(url, trust_env=False).status_code == 403


def test_a_key_that_stays_refused_is_reported(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PROPAGATION_SECONDS", 0.0)
    access = AwsAccess("us-east-1", "123456789012", "http://127.0.0.1", None)
    verdict = acceptance(access, serve(REFUSED, *[ACCEPTED] * 5))
    assert wait_until_accepted({"old": "sk-old", "new": "sk-new"}, verdict) == ["old"]


def test_a_key_with_a_quota_is_tried_as_often_as_asked(serve: Callable[..., str]) -> None:
    access = AwsAccess("us-east-1", "123456789012", "http://127.0.0.1", None)
    url = serve(REFUSED, ACCEPTED, FORBIDDEN)
    assert wait_until_accepted({"ci": "sk-ci"}, acceptance(access, url), consecutive=1) == []
    assert httpx.get(url, trust_env=False).status_code == 403
