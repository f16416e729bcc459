"""The overhead of the API over SageMaker's runtime, and of the embedded runtime over the model server.

    make bench-gateway

The same request takes three paths in turn: through the whole API (key, authorizer, gateway function, runtime,
model), to the runtime, and to the model server. The model uses one processor and one slot, so that the other
processors serve the measured components, as on AWS, and every path finds the prompt in the cache. Then the
cold start of the deployed gateway package is measured, from the start of the process to the first response.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.checkout import copy_checkout
from tests.support.toolkit import Toolkit
from toolkit.local.children import reserved_port

ROUNDS = int(os.environ.get("ROUNDS", "30"))
COLD_STARTS = 15
FIRST_TOKEN_AIM_MS = 8
THROUGHPUT_AIM = 0.99
COLD_START_AIM_SECONDS = 0.5
MODEL = "smollm2"
# Greedy, so that every path gets the same response; a story, so that it is long.
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me a long story about a lighthouse and its keeper."}],
    "temperature": 0,
    "max_tokens": 96,
    "stream": True,
    # Otherwise a request right after another one's last token may get an empty slot.
    "id_slot": 0,
}


@dataclass(frozen=True)
class Timing:
    """One streamed response.

    Attributes:
        first_token: seconds from the request to the first token.
        between: mean seconds between two parts with tokens.
        gaps: all seconds between two parts with tokens.
        rate: tokens per second from the request to the last token.
    """

    first_token: float
    between: float
    gaps: list[float]
    rate: float


def main() -> None:
    """Measure and print the results."""
    with tempfile.TemporaryDirectory() as directory:
        toolkit = Toolkit(copy_checkout(Path(directory) / "project"))
        _keep_a_processor_free(toolkit)
        try:
            toolkit.succeed("apply", "--env", "local")
            _report_timings(_timings(toolkit))
            _report_cold_starts(_cold_starts(toolkit, Path(directory)))
        finally:
            toolkit.succeed("local", "down")


def _keep_a_processor_free(toolkit: Toolkit) -> None:
    file = toolkit.project / "terraform" / "environments" / "local.yaml"
    text, count = re.subn(r"(?m)^( +)ctx_size: 4096$", r"\g<0>\n\1threads: 1", file.read_text())
    if count != 1:
        raise SystemExit(f"{file}: the model's options are not where they were")
    file.write_text(text)


def _timings(toolkit: Toolkit) -> dict[str, list[Timing]]:
    outputs = json.loads(toolkit.succeed("outputs", "--env", "local", "--json"))
    key = toolkit.succeed("keys", "show", "default", "--env", "local").strip()
    model_server = _model_server(toolkit)
    # llama.cpp's server closes idle connections after some seconds.
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(timeout=60, limits=limits) as client:
        requests: dict[str, Callable[[], Iterable[bytes]]] = {
            "API": lambda: _http(client, f"{outputs['api_base_url']}/chat/completions", key),
            "runtime": _runtime(toolkit, outputs),
            "model server": lambda: _http(client, f"{model_server}/v1/chat/completions"),
        }
        # Not measured: the first response starts the function and fills the model's prompt cache.
        for request in requests.values():
            _timing(request)
        timings: dict[str, list[Timing]] = {name: [] for name in requests}
        for number in range(ROUNDS):
            print(f"\rround {number + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
            for name, request in requests.items():
                timings[name].append(_timing(request))
    print(file=sys.stderr)
    return timings


def _http(client: httpx.Client, url: str, key: str | None = None) -> Iterator[bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with client.stream("POST", url, json=QUESTION, headers=headers) as response:
        if response.status_code != 200:
            raise SystemExit(f"{url}: {response.status_code}: {response.read()!r}")
        yield from response.iter_raw()


def _runtime(toolkit: Toolkit, outputs: dict[str, Any]) -> Callable[[], Iterable[bytes]]:
    client = toolkit.client("sagemaker-runtime")
    endpoint = outputs["models"][MODEL]["endpoint_name"]

    def ask() -> Iterator[bytes]:
        response = client.invoke_endpoint_with_response_stream(
            EndpointName=endpoint, ContentType="application/json", Body=json.dumps(QUESTION)
        )
        for event in response["Body"]:
            yield event["PayloadPart"]["Bytes"]

    return ask


def _model_server(toolkit: Toolkit) -> str:
    """Return the URL of the model server behind the container."""
    (process,) = _processes(toolkit, "model")
    relay = int(process.environ()["SAGEMAKER_BIND_TO_PORT"])
    ports = {
        connection.laddr.port
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    (port,) = ports - {relay}
    return f"http://127.0.0.1:{port}"


def _processes(toolkit: Toolkit, kind: str) -> list[psutil.Process]:
    status = json.loads(toolkit.succeed("local", "status", "--json"))
    return [psutil.Process(item["pid"]) for item in status["processes"] if item["kind"] == kind]


def _timing(send: Callable[[], Iterable[bytes]]) -> Timing:
    started = time.perf_counter()
    arrivals = [time.perf_counter() for delta in _deltas(send()) if delta]
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    if len(gaps) < QUESTION["max_tokens"] // 2:
        raise SystemExit(f"only {len(arrivals)} parts: the response did not come as a stream")
    rate = len(arrivals) / (arrivals[-1] - started)
    return Timing(arrivals[0] - started, statistics.mean(gaps), gaps, rate)


def _deltas(parts: Iterable[bytes]) -> Iterator[str | None]:
    """Yield the text of each server-sent event."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                for choice in json.loads(line.removeprefix(b"data: "))["choices"]:
                    yield choice["delta"].get("content")


def _report_timings(timings: dict[str, list[Timing]]) -> None:
    print(f"{ROUNDS} answers of up to {QUESTION['max_tokens']} tokens each, p50 (p95):")
    for name, samples in timings.items():
        first = _figures([timing.first_token * 1000 for timing in samples])
        between = _figures([gap * 1000 for timing in samples for gap in timing.gaps])
        rate = statistics.median(timing.rate for timing in samples)
        print(f"  {name:<13} first token {first} ms, between tokens {between} ms, {rate:.1f} tokens/s")
    for base in ("runtime", "model server"):
        _compare(timings["API"], timings[base], base)


def _compare(api: list[Timing], other: list[Timing], name: str) -> None:
    # Medians of consecutive pairs, because other load affects both requests.
    pairs = list(zip(api, other, strict=True))
    first = statistics.median(a.first_token - b.first_token for a, b in pairs) * 1000
    between = statistics.median(a.between - b.between for a, b in pairs) * 1000
    rate = statistics.median(a.rate / b.rate for a, b in pairs)
    print(
        f"API over {name}: first token {first:+.1f} ms (aim ≤ {FIRST_TOKEN_AIM_MS}), "
        f"between tokens {between:+.2f} ms (aim 0), "
        f"tokens per second {rate:.1%} (aim ≥ {THROUGHPUT_AIM:.0%})"
    )


def _figures(values: list[float]) -> str:
    p95 = statistics.quantiles(values, n=20)[-1]
    return f"{statistics.median(values):.2f} ({p95:.2f})"


def _cold_starts(toolkit: Toolkit, directory: Path) -> list[float]:
    gateway = next(p for p in _processes(toolkit, "function") if "gateway" in " ".join(p.cmdline()))
    environment = gateway.environ()
    (package,) = (toolkit.project / "build" / "lambda").glob("gateway-*.zip")
    return [_cold_start(package, directory / str(number), environment) for number in range(COLD_STARTS)]


def _cold_start(package: Path, target: Path, environment: dict[str, str]) -> float:
    # Unpacked each time: Lambda's file system contains only the package, without caches of earlier starts.
    with zipfile.ZipFile(package) as archive:
        archive.extractall(target)
    port = reserved_port()
    settings = environment | {"PORT": str(port), "AWS_LWA_PORT": str(port), "LAMBDA_TASK_ROOT": str(target)}
    # As run.sh does on a read-only file system, such as Lambda's.
    settings["PYTHONDONTWRITEBYTECODE"] = "1"
    started = time.perf_counter()
    process = subprocess.Popen(
        ["/bin/sh", target / "run.sh"], cwd=target, env=settings, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_response(f"http://127.0.0.1:{port}/v1/models", process)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _wait_for_response(url: str, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client() as client:
        while True:
            try:
                client.get(url).raise_for_status()
            except httpx.ConnectError:
                if process.poll() is not None:
                    raise SystemExit(f"the gateway ended with {process.returncode}") from None
                # Frequent, but without taking processor time from the starting process.
                time.sleep(0.005)
            else:
                return


def _report_cold_starts(seconds: list[float]) -> None:
    median, worst = statistics.median(seconds), max(seconds)
    print(f"cold start: {median:.3f} s, at most {worst:.3f} s (aim ≤ {COLD_START_AIM_SECONDS})")


if __name__ == "__main__":
    main()
