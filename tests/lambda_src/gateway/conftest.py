"""The gateway as a process, in front of a SageMaker runtime with a scripted engine."""

from __future__ import annotations

import binascii
import itertools
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.children import reserved_port

MODELS: dict[str, dict[str, object]] = {
    "demo": {"endpoint": "demo", "aliases": ["org/demo"]},
    "safe": {"endpoint": "demo", "fallback": "backup"},
    "backup": {"endpoint": "backup", "max_tokens_ceiling": 50},
    "short": {
        "endpoint": "demo",
        "max_tokens_default": 7,
        "max_tokens_ceiling": 9,
        "body_bytes": 1000,
        "fallback": "vectors",
    },
    "small": {"endpoint": "small", "serverless": True},
    "llama": {"endpoint": "demo", "dialect": "llama_cpp", "operations": ["chat", "completions"]},
    # As AWS's image.
    "chatty": {"endpoint": "demo", "dialect": "llama_cpp", "operations": ["chat"]},
    "ranker": {
        "endpoint": "demo",
        "dialect": "llama_cpp",
        "operations": ["chat", "completions", "rerank", "score"],
    },
    "tgi": {"endpoint": "demo", "dialect": "tgi", "operations": ["chat", "completions"]},
    "lmi": {"endpoint": "demo", "dialect": "lmi", "operations": ["embeddings"]},
    "vectors": {
        "endpoint": "vectors",
        "dialect": "tei",
        "operations": ["embeddings", "rerank", "score"],
    },
}
GATEWAY = Path(__file__).parents[3] / "lambda_src" / "gateway"
Step = bytes | Callable[[], object]


def frame(payload: bytes, **headers: str) -> bytes:
    """A message of AWS's event-stream encoding."""
    encoded = b""
    for name, value in headers.items():
        key = ":" + name.replace("_", "-")
        encoded += struct.pack("!B", len(key)) + key.encode()
        encoded += struct.pack("!BH", 7, len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + encoded + payload
    return message + struct.pack("!I", binascii.crc32(message))


@dataclass
class Engine:
    """The response to the next requests, and a record of the requests.

    Attributes:
        steps: parts of the response; a callable is called between them.
        failure: an exception event after the steps, as (name, members).
        error: the response of `failing` endpoints: HTTP status, error code, further members.
        failing: endpoints that respond with `error`.
        containers: ports of containers that respond instead, by endpoint.
        before_response: called before the head of a response.
        cut: whether the connection is closed after the steps, without an end.
        bodies: bodies of the requests.
        paths: paths of the requests.
        headers: headers of the requests.
        disconnected: set when the gateway closes the connection before the end.
    """

    address: str = ""
    steps: Iterable[Step] = ()
    failure: tuple[str, dict[str, object]] | None = None
    error: tuple[int, str, dict[str, object]] | None = None
    failing: tuple[str, ...] = ("demo",)
    containers: dict[str, int] = field(default_factory=dict)
    before_response: Callable[[], object] = lambda: None
    cut: bool = False
    bodies: list[dict[str, object]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)

    def respond(self, *steps: Step) -> None:
        self.steps = steps

    def respond_forever(self, first: Step, part: bytes) -> None:
        """Respond with `first`, then with `part` until the gateway disconnects."""
        self.steps = itertools.chain([first], itertools.cycle([lambda: time.sleep(0.01), part]))

    def reset(self) -> None:
        self.steps, self.failure, self.error, self.failing, self.cut = (), None, None, ("demo",), False
        self.bodies, self.paths, self.headers, self.containers = [], [], [], {}
        self.before_response = lambda: None
        self.disconnected.clear()


class _Runtime(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_POST(self) -> None:
        engine = self.engine
        body = self.rfile.read(int(self.headers["content-length"]))
        engine.bodies.append(json.loads(body))
        engine.paths.append(self.path)
        engine.headers.append({name.lower(): value for name, value in self.headers.items()})
        _, _, endpoint, operation = self.path.split("/")
        engine.before_response()
        if engine.error is not None and endpoint in engine.failing:
            self._fail(*engine.error)
            return
        if endpoint in engine.containers:
            self._relay(engine.containers[endpoint], body)
            return
        streamed = operation == "invocations-response-stream"
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream" if streamed else "text/plain")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for step in engine.steps:
                if not isinstance(step, bytes):
                    step()
                elif streamed:
                    self._send(frame(step, message_type="event", event_type="PayloadPart"))
                else:
                    self._send(step)
            self._end(engine)
        except OSError:
            engine.disconnected.set()
            self.close_connection = True

    def _relay(self, port: int, body: bytes) -> None:
        container = HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
        container.request("POST", "/invocations", body, {"content-type": "application/json"})
        response = container.getresponse()
        if response.status != 200:
            message = response.read().decode()
            self._fail(424, "ModelError", {"OriginalStatusCode": response.status, "OriginalMessage": message})
            return
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while part := response.read1():
            self._send(frame(part, message_type="event", event_type="PayloadPart"))
        self.wfile.write(b"0\r\n\r\n")

    def _end(self, engine: Engine) -> None:
        if engine.failure is not None:
            name, members = engine.failure
            payload = json.dumps(members).encode()
            self._send(frame(payload, message_type="exception", exception_type=name))
        if engine.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _fail(self, status: int, code: str, members: dict[str, object]) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("x-amzn-errortype", code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # the system delays connections beyond the queue for seconds

    def handle_error(self, request: object, client_address: object) -> None:
        # Some tests make the gateway disconnect.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def _engine() -> Iterator[Engine]:
    engine = Engine()
    server = _Server(("127.0.0.1", 0), type("Runtime", (_Runtime,), {"engine": engine}))
    engine.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield engine
    server.shutdown()


@pytest.fixture
def engine(_engine: Engine) -> Engine:
    _engine.reset()
    return _engine


@dataclass
class Gateway:
    """A running gateway.

    Attributes:
        process: started through `run.sh`, as on AWS.
        log: the file of its standard output and error.
    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.process.poll() is not None or self._is_ready(), "the gateway")
        assert self.process.poll() is None, f"the gateway did not start:\n{self.log.read_text()}"

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz", timeout=HANG_SECONDS).status_code == 200
        except httpx.TransportError:
            return False

    def log_line(self, request_id: str, message: str = "request") -> dict[str, object]:
        """The line of one request, once it is written."""
        mark = f'"message": "{message}", "request_id": "{request_id}"'

        def matches() -> list[str]:
            *lines, _ = self.log.read_text().split("\n")
            return [line for line in lines if mark in line]

        wait_for(matches, f"the line of {request_id}")
        return dict(json.loads(matches()[0]))


StartGateway = Callable[[dict[str, str]], Gateway]


@pytest.fixture(scope="session")
def start_gateway(_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Starts gateways with an environment like Lambda's and further variables."""
    started: list[Gateway] = []

    def start(variables: dict[str, str]) -> Gateway:
        log = tmp_path_factory.mktemp("gateway") / "log"
        port = reserved_port()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "LAMBDA_TASK_ROOT": str(GATEWAY.parent),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": _engine.address,
            "PORT": str(port),
            **variables,
        }
        with log.open("wb") as output:
            process = subprocess.Popen([GATEWAY / "run.sh"], env=environment, stdout=output, stderr=output)
        started.append(Gateway(f"http://127.0.0.1:{port}", process, log))
        return started[-1]

    yield start
    for gateway in started:
        gateway.process.terminate()
        gateway.process.wait(HANG_SECONDS)


@pytest.fixture(scope="session")
def gateway(start_gateway: StartGateway) -> Gateway:
    running = start_gateway({"GATEWAY_MODELS": json.dumps(MODELS)})
    running.wait_until_ready()
    return running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.address, timeout=HANG_SECONDS) as client:
        yield client
