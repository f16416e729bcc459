"""Closed and open loops against a server whose responses the tests control."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.cloud import respond
from tests.support.patience import HANG_SECONDS
from tests.toolkit.bench.conftest import DONE, Prompts, Server, completion, delta, event, usage
from toolkit.bench import http, limit
from toolkit.bench.generator import BOTTLENECK, Limits, Load, Runner, Settings, Stop
from toolkit.bench.replies import Reply
from toolkit.bench.results import INTERRUPTED
from toolkit.bench.targets import Api, Runtime, client
from toolkit.bench.workload import Lengths
from toolkit.errors import PreflightError
from toolkit.local.eventstream import Event, exception


def test_a_closed_loop_sends_the_next_request_after_a_response(server: Server) -> None:
    busy, most, lock = 0, 0, threading.Lock()

    def events(_: str) -> Iterator[bytes]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        yield delta("a")
        with lock:
            busy -= 1
        yield from [usage(7, 1), DONE]

    server.events = events
    stage = server.measure(Load(concurrency=3, requests=12))
    assert len(stage.requests) == 12
    assert [request.error for request in stage.requests] == [None] * 12
    assert most <= 3
    assert stage.concurrency == 3


def test_all_clients_of_a_closed_loop_are_busy(server: Server) -> None:
    together = threading.Barrier(4)

    def events(_: str) -> list[bytes]:
        # Only four requests at a time get past it.
        together.wait(HANG_SECONDS)
        return completion("a")

    server.events = events
    assert len(server.measure(Load(concurrency=4, requests=8)).requests) == 8


def test_parts_are_noted_as_they_arrive(server: Server) -> None:
    received, sent = threading.Event(), list[float]()

    class Noting(Reply):
        def part(self, at: float, data: bytes) -> None:
            super().part(at, data)
            if self.arrivals:
                received.set()

    def events(_: str) -> Iterator[bytes]:
        sent.append(time.perf_counter())
        yield delta("a")
        # Until the first part has arrived.
        assert received.wait(HANG_SECONDS)
        sent.append(time.perf_counter())
        yield delta("b")
        yield from [usage(7, 2), DONE]

    server.events = events

    async def run() -> Reply:
        reply, connection = Noting(), client(server.target)
        await connection.send(server.target.encode({"messages": [{"content": "?"}]}), reply)
        connection.close()
        return reply

    reply = asyncio.run(run())
    first, second = reply.arrivals
    assert sent[0] <= first <= sent[1] <= second
    assert reply.ended is not None
    assert second <= reply.ended
    assert reply.text == "ab"


def test_times_of_a_request_are_in_order(server: Server) -> None:
    server.events = lambda _: completion("a", "b", "c")
    before = time.perf_counter()
    stage = server.measure(Load(concurrency=1, requests=4))
    wall = time.perf_counter() - before
    assert 0 <= stage.requests[0].started < stage.seconds <= wall
    for request in stage.requests:
        assert request.first is not None
        # The sum of the gaps is rounded.
        assert 0 < request.first <= request.first + sum(request.gaps) <= request.total + 1e-9
        assert (request.input_tokens, request.output_tokens, len(request.gaps)) == (7, 3, 2)
    for request, following in pairwise(stage.requests):
        assert request.started + request.total <= following.started


def test_requests_of_the_warm_up_do_not_count(server: Server) -> None:
    stage = server.measure(Load(concurrency=2, requests=3, warmup=2), prompts := Prompts())
    assert len(stage.requests) == 3
    assert len(server.bodies) == 5
    assert prompts.numbers == [0, 1, 2, 3, 4]
    # They open the connections.
    assert [request.connected for request in stage.requests] == [None] * 3


def test_requests_have_the_settings(server: Server) -> None:
    server.measure(Load(concurrency=1, requests=1), members={"temperature": 0, "ignore_eos": True})
    (body,) = server.bodies
    assert body == {
        "model": "small",
        "messages": [{"role": "user", "content": "0"}],
        "max_tokens": 2,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert server.engine.requests[0]["headers"]["authorization"] == "Bearer sk-secret"


def test_no_request_starts_after_the_duration(server: Server) -> None:
    stage = server.measure(Load(concurrency=2, seconds=0.2, warmup=2))
    assert stage.requests
    # Each client looks at the clock, then sends.
    assert sum(request.started >= 0.2 for request in stage.requests) <= 2
    assert all(request.error is None for request in stage.requests)


def test_a_conversation_is_sent_with_its_responses(server: Server) -> None:
    stage = server.measure(Load(concurrency=1, requests=3), Prompts(turns=3))
    assert len(stage.requests) == 3
    assert server.bodies[2]["messages"] == [
        {"role": "user", "content": "0"},
        {"role": "assistant", "content": "Hello there"},
        {"role": "user", "content": "0?"},
        {"role": "assistant", "content": "Hello there"},
        {"role": "user", "content": "0??"},
    ]


def test_a_conversation_ends_with_a_failed_request(server: Server) -> None:
    server.refuse(500, {})
    server.measure(Load(concurrency=1, requests=2), Prompts(turns=2))
    assert [body["messages"][-1]["content"] for body in server.bodies] == ["0", "1"]


def test_arrivals_of_an_open_loop_do_not_wait_for_responses(server: Server) -> None:
    together = threading.Barrier(6)

    def events(_: str) -> list[bytes]:
        # No response before the last request.
        together.wait(HANG_SECONDS)
        return completion("a")

    server.events = events
    stage = server.measure(Load(rate=200.0, requests=6), seed=3)
    assert len(stage.requests) == 6
    assert (stage.rate, stage.concurrency) == (200.0, None)


def test_arrivals_of_an_open_loop_are_a_poisson_process(server: Server) -> None:
    stage = server.measure(Load(rate=100.0, requests=8, warmup=2), seed=3)
    gaps = random.Random("3/100.0")  # noqa: S311
    planned = [gaps.expovariate(100.0) for _ in range(10)]
    starts = [request.started for request in stage.requests]
    assert starts[0] == 0
    assert [later - earlier for earlier, later in pairwise(starts)] == pytest.approx(planned[3:])


def test_a_late_load_generator_does_not_shift_the_arrivals(server: Server) -> None:
    late = 0.3

    def before(number: int) -> None:
        if number == 2:
            # Blocks the event loop, as a busy machine does.
            time.sleep(late)

    stage = server.measure(Load(rate=100.0, requests=6), Prompts(before=before), seed=3)
    gaps = random.Random("3/100.0")  # noqa: S311
    planned = [gaps.expovariate(100.0) for _ in range(6)]
    starts = [request.started for request in stage.requests]
    assert [later - earlier for earlier, later in pairwise(starts)] == pytest.approx(planned[1:])
    # A request is prepared up to 50 ms before its time.
    for request in stage.requests[2:]:
        assert request.delay >= late - 0.051 - (request.started - starts[2])
    assert all(request.delay <= (request.first or 0) <= request.total for request in stage.requests)


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (
            429,
            {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}},
            None,
            "HTTP 429 rate_limit_exceeded",
        ),
        (
            429,
            {"error": {"message": "x", "code": None, "type": "insufficient_quota"}},
            None,
            "HTTP 429 insufficient_quota",
        ),
        (
            429,
            {"message": "Too Many Requests"},
            {"x-amzn-errortype": "TooManyRequestsException"},
            "HTTP 429 TooManyRequestsException",
        ),
        (424, {"Message": "x"}, {"x-amzn-errortype": "ModelError:http://internal/"}, "HTTP 424 ModelError"),
        (403, {"message": "Forbidden"}, None, "HTTP 403 Forbidden"),
        (502, {}, None, "HTTP 502"),
    ],
)
def test_errors_by_status_and_code(
    server: Server, status: int, body: dict[str, Any], headers: dict[str, str] | None, reason: str
) -> None:
    server.refuse(status, body, headers)
    stage = server.measure(Load(concurrency=1, requests=2))
    assert [request.error for request in stage.requests] == [reason, reason]
    assert all(request.first is None for request in stage.requests)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (
            [delta("a"), event(error={"message": "worker died", "code": "model_error"})],
            "error in the stream: model_error",
        ),
        ([delta("a"), b"data: nonsense\n\n", DONE], "an event is not a completion chunk"),
        ([delta("a")], "the stream ended early"),
        ([delta("a", "stop")], None),
        ([b": keep-alive\n\n", *(line.removeprefix(b"data: ") for line in completion("a"))], None),
        ([b'error: {"error": {"message": "worker died"}}\n\n'], "error in the stream: worker died"),
        ([delta("a"), event(error={"message": "worker died", "code": 500})], "error in the stream: 500"),
        ([event(error={"message": f"a\n{'b' * 200}"})], f"error in the stream: a {'b' * 77}…"),
        # There is no time to a first token.
        (completion(), "the response has no text"),
        (completion(output_tokens=2), "the response has no text"),
    ],
)
def test_errors_in_streams(server: Server, events: list[bytes], reason: str | None) -> None:
    server.events = lambda _: events
    (request,) = server.measure(Load(concurrency=1, requests=1)).requests
    assert request.error == reason


def test_token_counts_that_are_none(server: Server) -> None:
    server.events = lambda _: [delta("a"), usage(-1, -1), DONE]
    (request,) = server.measure(Load(concurrency=1, requests=1)).requests
    assert (request.input_tokens, request.output_tokens, request.error) == (None, None, None)


def test_times_of_the_server_that_are_none() -> None:
    reply = Reply()
    reply.head(200, {"server-timing": "gateway;dur=1.2.3, model;dur=..., other;dur=5"})
    assert reply.server == {"gateway": 0.0012, "other": 0.005}


def test_credentials_that_expire(server: Server) -> None:
    class Expiring(Api):
        def encode(self, body: Any) -> bytes:
            if len(server.bodies) == 3:
                raise PreflightError("no AWS credentials")
            return super().encode(body)

    target = Expiring(server.engine.url, "small", {})
    stage = server.measure(Load(concurrency=1, requests=9), target=target)
    assert stage.stopped == "cannot send further requests: no AWS credentials"
    assert [request.error for request in stage.requests] == [None] * 3
    # Nothing was measured.
    with pytest.raises(PreflightError, match="no AWS credentials"):
        server.measure(Load(concurrency=1, requests=9), target=target)


def test_a_connection_that_breaks_in_a_stream(server: Server) -> None:
    def behave(handler: Any, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        part = delta("a")
        handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        handler.close_connection = True

    server.engine.behaviour = behave
    (request,) = server.measure(Load(concurrency=1, requests=1)).requests
    assert request.error == "the server closed the connection"


def test_a_server_that_closes_each_connection(server: Server) -> None:
    def behave(handler: Any, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(b"".join(completion("a")))
        handler.close_connection = True

    server.engine.behaviour = behave
    stage = server.measure(Load(concurrency=1, requests=3))
    assert [request.error for request in stage.requests] == [None] * 3
    assert all(request.connected is not None for request in stage.requests)


def test_a_server_out_of_reach() -> None:
    engine = Server.__new__(Server)
    stage = engine.measure(Load(concurrency=1, requests=2), target=Api("http://127.0.0.1:1/v1", "small", {}))
    assert [request.error for request in stage.requests] == [
        "cannot connect: Connect call failed ('127.0.0.1', 1)"
    ] * 2


def test_a_request_that_takes_too_long(server: Server) -> None:
    release = threading.Event()

    def events(_: str) -> Iterator[bytes]:
        release.wait(HANG_SECONDS)
        yield DONE

    server.events = events
    (request,) = server.measure(Load(concurrency=1, requests=1), timeout=0.1).requests
    release.set()
    assert request.error == "timeout"


def test_a_stop_keeps_the_complete_requests(server: Server) -> None:
    release = threading.Event()

    def events(prompt: str) -> Iterator[bytes]:
        if prompt == "3":
            release.wait(HANG_SECONDS)
        yield from completion("a")

    server.events = events

    def before(number: int) -> None:
        if number == 3:
            # While its response is awaited.
            asyncio.get_running_loop().call_later(0.05, ends[0].set, INTERRUPTED)

    ends: list[Stop] = []
    stage = server.measure(Load(concurrency=1, requests=9), Prompts(before=before), stop=ends.append)
    release.set()
    assert stage.stopped == INTERRUPTED
    assert [request.error for request in stage.requests] == [None] * 3


@pytest.mark.slow
def test_a_deployment_that_refuses_everything_is_left_alone(server: Server) -> None:
    server.refuse(429, {"error": {"code": "insufficient_quota"}})
    stage = server.measure(Load(concurrency=2, seconds=HANG_SECONDS))
    assert stage.stopped == "the last 50 requests failed: HTTP 429 insufficient_quota"
    assert len(stage.requests) in (50, 51)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(seconds=0.1, processor_share=-1), "of a processor"),
        (Limits(seconds=0.1, processor_share=9, delay=-2, relative_delay=-1), "late on average"),
    ],
)
def test_a_load_generator_that_is_the_bottleneck_stops(server: Server, limits: Limits, reason: str) -> None:
    stage = server.measure(Load(concurrency=2, seconds=HANG_SECONDS), limits=limits)
    assert stage.stopped is not None
    assert stage.stopped.startswith(BOTTLENECK)
    assert reason in stage.stopped


def test_streams_of_the_runtime(server: Server) -> None:
    part = Event.blob("PayloadPart")
    whole = b"".join(completion("a", "b"))

    def behave(handler: Any, request: dict[str, Any]) -> None:
        # Events are split anywhere.
        body = b"".join(part.encode(whole[start : start + 50]) for start in range(0, len(whole), 50))
        respond(handler, 200, body)

    server.engine.behaviour = behave
    target = runtime(server)
    (request,) = server.measure(Load(concurrency=1, requests=1), target=target).requests
    assert (request.error, request.output_tokens, len(request.gaps)) == (None, 2, 1)
    (sent,) = server.engine.requests
    assert sent["path"] == "/endpoints/llm-x-small/invocations-response-stream"
    assert "model" not in sent["body"]
    assert "/us-east-1/sagemaker/aws4_request" in sent["headers"]["authorization"]


def test_errors_in_streams_of_the_runtime(server: Server) -> None:
    failure = exception("ModelStreamError", message="broken", errorCode="StreamBroken")
    server.engine.behaviour = lambda handler, _: respond(handler, 200, failure)
    (request,) = server.measure(Load(concurrency=1, requests=1), target=runtime(server)).requests
    assert request.error == "ModelStreamError in the stream"


def test_damaged_streams_of_the_runtime(server: Server) -> None:
    content = Event.blob("PayloadPart").encode(b"".join(completion("a")))
    server.engine.behaviour = lambda handler, _: respond(handler, 200, content[:-1] + b"?")
    (request,) = server.measure(Load(concurrency=1, requests=1), target=runtime(server)).requests
    assert request.error is not None
    assert request.error.startswith("an event of the stream is damaged: Checksum mismatch")


def runtime(server: Server) -> Runtime:
    class Signer:
        def headers(self, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials

            request = AWSRequest("POST", url, data=body, headers=headers)
            SigV4Auth(Credentials("id", "secret"), "sagemaker", "us-east-1").add_auth(request)
            return dict(request.headers.items())

    return Runtime(server.engine.url.removesuffix("/v1"), "llm-x-small", Signer())  # type: ignore[arg-type]


def test_the_time_of_each_hop_is_the_one_that_the_server_reports() -> None:
    reply = Reply()
    reply.head(200, {"server-timing": "gateway;dur=2.5, model;dur=410"})
    assert reply.server == {"gateway": 0.0025, "model": 0.41}


@pytest.mark.slow
def test_the_limit_of_the_load_generator(server: Server) -> None:
    generator = asyncio.run(limit.measure(Prompts(), Lengths("4", 4), 2, server.target))
    assert generator.requests_per_second > 0
    assert generator.seconds_per_request > 0


def test_ctrl_c_does_not_interrupt_the_server_of_the_limit() -> None:
    # A terminal sends it to all processes of a command.
    program = """
import os, signal
from toolkit.bench import limit
with limit._null_server(1):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.killpg(0, signal.SIGINT)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, start_new_session=True
    )
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.slow
def test_too_many_open_files_are_not_a_failure_of_the_server() -> None:
    program = """
import asyncio, resource
from toolkit.bench import limit, targets
from toolkit.bench.workload import Lengths, Ratio, Synthetic
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
length = Lengths("4", 4)
target = targets.Api("http://127.0.0.1:9/v1", "small", {})
asyncio.run(limit.measure(Synthetic(length, length, Ratio(0, 1)), length, 200, target))
"""
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "PreflightError: cannot open further connections" in result.stderr


def test_bytes_after_a_response_close_the_connection(server: Server) -> None:
    def behave(handler: Any, _: dict[str, Any]) -> None:
        body = json.dumps({}).encode()
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body + b"HTTP/1.1 200 OK\r\n\r\n")

    server.engine.behaviour = behave
    stage = server.measure(Load(concurrency=1, requests=2))
    assert [request.error for request in stage.requests] == ["the stream ended early"] * 2


def test_a_response_that_is_not_http() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()

    async def run() -> str | None:
        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        runner = Runner(Api(f"http://127.0.0.1:{port}/v1", "m", {}), Prompts(), Settings())
        request, _ = await runner.send({})
        listener.close()
        return request.error

    error = asyncio.run(run())
    assert error is not None
    assert error.startswith("the response is not HTTP")


def test_an_idle_connection_that_the_server_has_closed() -> None:
    """As llama.cpp does after some seconds."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            if writer in closing:
                writer.transport.abort()
                return
            body = b"".join(completion("a"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            # The next request on this connection finds it closed.
            closing.append(writer)

    closing: list[asyncio.StreamWriter] = []

    async def run() -> list[str | None]:
        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        runner = Runner(Api(f"http://127.0.0.1:{port}/v1", "m", {}), Prompts(), Settings())
        errors = [(await runner.send({}))[0].error for _ in range(3)]
        runner.close()
        listener.close()
        return errors

    assert asyncio.run(run()) == [None, None, None]


def test_whole_requests_have_their_length() -> None:
    message = http.encode("POST", "/v1?x=1", {"host": "h"}, "ü".encode())
    assert message == b"POST /v1?x=1 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n\xc3\xbc"


def test_the_warm_up_ends_before_the_measurement(server: Server) -> None:
    open_requests, most, lock = set[str](), set[frozenset[str]](), threading.Lock()

    def events(prompt: str) -> Iterator[bytes]:
        with lock:
            open_requests.add(prompt)
            most.add(frozenset(open_requests))
        if prompt == "0":
            # Slower than the other one of the warm-up.
            time.sleep(0.1)
        with lock:
            open_requests.remove(prompt)
        yield from completion("a")

    server.events = events
    server.measure(Load(concurrency=2, requests=4, warmup=2))
    assert not any("0" in prompts and prompts - {"0", "1"} for prompts in most)


@pytest.mark.parametrize("is_trusted", [True, False])
def test_requests_over_tls_need_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    certificate, key = _certificate(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"".join(completion("a"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async def run() -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        runner = Runner(Api(f"https://localhost:{port}/v1", "m", {}), Prompts(), Settings())
        request, _ = await runner.send({})
        runner.close()
        listener.close()
        return request.error

    error = asyncio.run(run())
    assert (error is None) == is_trusted, error
    assert is_trusted or "certificate verify failed" in str(error)


def _certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of localhost that signs itself, and its key."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    files = directory / "certificate.pem", directory / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
