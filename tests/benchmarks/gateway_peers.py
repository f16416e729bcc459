"""The gateway function alone, as deployed, next to other gateways, in front of the same mock.

    make bench-gateway-peers

All gateways send the same content to the same clients, one gateway at a time. The first run installs the
other gateways from the package indexes into separate environments under build/. Variables: PEERS, a list
of the gateways to measure; PACKAGE, another zip of the gateway; REQUESTS, for each figure;
BEDROCK_ACCESS_GATEWAY, a checkout of aws-samples/bedrock-access-gateway, which is in no index and downloads
its tokenizer when it starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.benchmarks.runtime_mock import MODEL, TEXT
from tests.support.checkout import ROOT
from toolkit import packaging
from toolkit.console import Console
from toolkit.local.children import reserved_port
from toolkit.project import Project

REQUESTS = int(os.environ.get("REQUESTS", "400"))
COLD_STARTS = int(os.environ.get("COLD_STARTS", "5"))
CLIENTS = (1, 16, 64)
ENVIRONMENTS = ROOT / "build" / "peers"
LITELLM = "litellm[proxy]==1.108.7"
# With later versions of its server, its streams end in 500 on Node.js 20.
PORTKEY = {
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"@hono/node-server": "1.13.8"},
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "mock",
    "AWS_SECRET_ACCESS_KEY": "mock",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class MeasurementError(Exception):
    """A gateway does not start, or does not respond as expected."""


@dataclass(frozen=True)
class Peer:
    """A gateway, ready to be started.

    Attributes:
        command: starts it.
        environment: its environment variables.
        url: of its chat completions.
        model: the model's name in requests.
        headers: of requests, in addition.
    """

    command: list[str]
    environment: dict[str, str]
    url: str
    model: str = MODEL
    headers: dict[str, str] = field(default_factory=dict)


def gateway(directory: Path, mock: str, port: int) -> Peer:
    """Our gateway, unpacked: Lambda's file system has only the package, without bytecode."""
    configured = os.environ.get("PACKAGE")
    package = Path(configured) if configured else packaging.build(Project(ROOT), Console()).gateway.path
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    environment = {
        "LAMBDA_TASK_ROOT": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GATEWAY_MODELS": json.dumps({MODEL: {"endpoint": MODEL}}),
        "AWS_ENDPOINT_URL": mock,
        "PORT": str(port),
    }
    return Peer(
        ["/bin/sh", str(directory / "run.sh")], environment, f"http://127.0.0.1:{port}/v1/chat/completions"
    )


def litellm(directory: Path, mock: str, port: int) -> Peer:
    """LiteLLM's proxy, with its provider for SageMaker."""
    parameters = {"model": f"sagemaker_chat/{MODEL}", "sagemaker_base_url": mock}
    key = f"sk-{secrets.token_hex(16)}"
    settings = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": key},
    }
    config = directory / "config.yaml"
    config.write_text(json.dumps(settings))
    program = _python("litellm", LITELLM).with_name("litellm")
    command = [str(program), "--config", str(config), "--port", str(port)]
    environment = {
        "AWS_ENDPOINT_URL": mock,
        "AWS_REGION_NAME": "us-east-1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return Peer(command, environment, url, headers={"authorization": f"Bearer {key}"})


def portkey(directory: Path, mock: str, port: int) -> Peer:
    """Portkey, with an OpenAI-compatible server: its provider for SageMaker does not stream chats."""
    target = ENVIRONMENTS / "portkey"
    if not (target / "node_modules").is_dir():
        target.mkdir(parents=True, exist_ok=True)
        (target / "package.json").write_text(json.dumps(PORTKEY))
        subprocess.run(["npm", "install", "--prefix", target], check=True, stdout=sys.stderr)
    server = target / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{mock}/v1",
        "authorization": "Bearer mock",
    }
    environment = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return Peer(["node", str(server), f"--port={port}", "--headless"], environment, url, headers=headers)


def bedrock(directory: Path, mock: str, port: int) -> Peer:
    """bedrock-access-gateway, with a mock of Bedrock."""
    source = Path(os.environ["BEDROCK_ACCESS_GATEWAY"]) / "src"
    python = _python("bedrock", "-r", str(source / "requirements.txt"), "uvicorn")
    command = [str(python), "-m", "uvicorn", "api.app:app", "--app-dir", str(source), "--port", str(port)]
    environment = {"AWS_ENDPOINT_URL": mock, "API_KEY": "mock", "DEFAULT_MODEL": MODEL}
    url = f"http://127.0.0.1:{port}/api/v1/chat/completions"
    return Peer(command, environment, url, headers={"authorization": "Bearer mock"})


PEERS: dict[str, Callable[[Path, str, int], Peer]] = {
    "gateway": gateway,
    "litellm": litellm,
    "portkey": portkey,
    "bedrock-access-gateway": bedrock,
}


def _python(name: str, *requirements: str) -> Path:
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", ENVIRONMENTS / name], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *requirements], check=True)
    return python


@dataclass(frozen=True)
class Figures:
    """Measurements of one kind of request with a number of clients.

    Attributes:
        first_token: median of milliseconds until the first part with text.
        rate: requests per second.
        processor: seconds per 1,000 requests of the gateway's processes.
    """

    first_token: float
    rate: float
    processor: float


def main() -> None:
    """Measure and print the results."""
    default = [
        name for name in PEERS if name != "bedrock-access-gateway" or "BEDROCK_ACCESS_GATEWAY" in os.environ
    ]
    names = os.environ["PEERS"].split(",") if "PEERS" in os.environ else default
    port = reserved_port()
    mock = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.runtime_mock", str(port)], cwd=ROOT)
    try:
        for name in names:
            with tempfile.TemporaryDirectory() as directory:
                try:
                    _measure(name, Path(directory), f"http://127.0.0.1:{port}")
                except (MeasurementError, OSError, subprocess.CalledProcessError) as error:
                    print(f"{name}: cannot be measured: {error}", flush=True)
    finally:
        mock.terminate()
        mock.wait()


def _measure(name: str, directory: Path, mock: str) -> None:
    starts = []
    for number in range(COLD_STARTS):
        folder = directory / str(number)
        folder.mkdir()
        peer = PEERS[name](folder, mock, reserved_port())
        with _started(peer) as (_, seconds, processor):
            starts.append((seconds, processor))
    with _started(peer) as (process, _, _):
        # Not measured: the first requests fill caches.
        asyncio.run(_load(peer, process, stream=True, clients=16))
        print(f"{name}: first token p50 (ms) / requests per second / CPU seconds per 1,000 requests")
        for clients in CLIENTS:
            for stream in (True, False):
                figures = asyncio.run(_load(peer, process, stream=stream, clients=clients))
                print(
                    f"  {clients:>2} clients, {'streamed' if stream else 'whole   '}: "
                    f"{figures.first_token:6.1f} / {figures.rate:6.0f} / {figures.processor:5.2f}",
                    flush=True,
                )
        memory = sum(one.memory_info().rss for one in _tree(process)) / 1024**2
    seconds, processor = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"  memory {memory:.0f} MB, cold start {seconds:.2f} s ({processor:.2f} s of CPU)", flush=True)


@contextmanager
def _started(peer: Peer) -> Iterator[tuple[psutil.Process, float, float]]:
    """A running gateway, with the seconds and the processor seconds until its first response."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **CREDENTIALS,
        **peer.environment,
    }
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(peer.command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        process = psutil.Process(child.pid)
        try:
            while not _answers(peer):
                if child.poll() is not None:
                    log.seek(0)
                    raise MeasurementError(
                        f"the gateway ended with {child.returncode}: {log.read().decode()}"
                    )
                # Frequent, but without taking processor time from the starting process.
                time.sleep(0.005)
            yield process, time.perf_counter() - started, _processor(process)
        finally:
            for one in reversed(_tree(process)) if child.poll() is None else ():
                one.terminate()
            child.wait()


def _answers(peer: Peer) -> bool:
    try:
        response = httpx.post(peer.url, json=_question(peer, stream=False), headers=peer.headers, timeout=60)
    except httpx.TransportError:
        return False
    if response.status_code != 200 or TEXT not in response.text:
        raise MeasurementError(f"unexpected response: {response.status_code}: {response.text}")
    return True


def _question(peer: Peer, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Tell me a long story about a lighthouse and its keeper."}]
    return {"model": peer.model, "messages": messages, "max_tokens": 64, "temperature": 0, "stream": stream}


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _processor(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in _tree(process)]
    return sum(time.user + time.system for time in times)


async def _load(peer: Peer, process: psutil.Process, *, stream: bool, clients: int) -> Figures:
    first_tokens: list[float] = []
    before, started = _processor(process), time.perf_counter()
    requests = max(1, REQUESTS // clients)
    await asyncio.gather(*(_client(peer, stream, requests, first_tokens) for _ in range(clients)))
    seconds, processor = time.perf_counter() - started, _processor(process) - before
    total = requests * clients
    return Figures(statistics.median(first_tokens) * 1000, total / seconds, processor / total * 1000)


async def _client(peer: Peer, stream: bool, requests: int, first_tokens: list[float]) -> None:
    url = httpx.URL(peer.url)
    body = json.dumps(_question(peer, stream=stream)).encode()
    headers = {"host": "127.0.0.1", "content-type": "application/json", **peer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST {url.path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    for _ in range(requests):
        started = time.perf_counter()
        writer.write(request)
        first_tokens.append(await _response(reader) - started)
    writer.close()


async def _response(reader: asyncio.StreamReader) -> float:
    """Read a response to its end; returns when its first text arrived."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise MeasurementError(f"unexpected response: {head!r}")
    if b"content-length: " in head:
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))
        return time.perf_counter()
    received, first = b"", None
    while not received.endswith(b"0\r\n\r\n"):
        part = await reader.read(1 << 16)
        if not part:
            raise MeasurementError("the response ended early")
        received += part
        if first is None and TEXT.encode() in received:
            first = time.perf_counter()
    if received.count(TEXT.encode()) < 64:
        raise MeasurementError(f"the response lacks text: {received!r}")
    assert first is not None
    return first


if __name__ == "__main__":
    main()
