"""The figures of `toolkit bench`, aiperf and guidellm against the same API in the same run.

    make bench-agreement [ROUNDS=5]

The embedded cloud serves a stand-in for a model: its first token is due after 200 ms, each further one after
20 ms. A real model would share the processors with the load generators, which differ in what they leave to
it, and so would the figures. Each round runs the three tools in another order. They send the same prompts and
ask for the same number of tokens. aiperf and guidellm are installed into `build/bench-peers`.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT, clean_environment, copy_checkout
from tests.support.toolkit import Toolkit

ROUNDS = int(os.environ.get("ROUNDS", "5"))
CONCURRENCY = [int(number) for number in os.environ.get("CONCURRENCY", "1,4").split(",")]
REQUESTS_PER_CLIENT = 10
OUTPUT_TOKENS = 32
PROMPT_WORDS = 40
FIRST_TOKEN_SECONDS, TOKEN_SECONDS = 0.2, 0.02
PEERS = {"aiperf": "aiperf==0.13.0", "guidellm": "guidellm==0.8.1"}
AIM = 0.10
ENVIRONMENT = """
target: local
name: llm
description: a stand-in for a model
region: us-east-1
account: {{lifecycle_rules: false}}
models:
  stand-in:
    serving: {{engine: llama_cpp}}
    source: {{server: {engine}, model: stand-in}}
    instance_type: ml.c7i.xlarge
api:
  throttle: {{rate_per_second: 1000, burst: 1000}}
  usage_plans: {{default: {{rate_per_second: 1000, burst: 1000}}}}
"""
# Figures by tool; latencies in milliseconds, means unless a percentile is named.
Figures = Mapping[str, float]
NAMES = (
    "time to first token",
    "time to first token p50",
    "time per output token",
    "end-to-end latency",
    "output tokens/s",
    "requests/s",
)
# Of the whole program, its start included.
PROCESSOR = "processor time in seconds"


def main() -> None:
    """Measure and print the results."""
    peers = {name: _installed(name, requirement) for name, requirement in PEERS.items()}
    with tempfile.TemporaryDirectory() as directory, _engine() as engine:
        toolkit = Toolkit(copy_checkout(Path(directory) / "project"))
        file = toolkit.project / "terraform" / "environments" / "agreement.yaml"
        file.write_text(ENVIRONMENT.format(engine=engine))
        try:
            toolkit.succeed("apply", "--env", "agreement", "--yes")
            tools = _tools(toolkit, peers, Path(directory))
            _report(dict(_rounds(tools)))
        finally:
            toolkit.succeed("local", "down")


def _rounds(
    tools: Mapping[str, Callable[[int], Figures]],
) -> Iterator[tuple[int, dict[str, list[Figures]]]]:
    names = list(tools)
    for concurrency in CONCURRENCY:
        results: dict[str, list[Figures]] = {name: [] for name in names}
        for number in range(ROUNDS):
            # Each tool is the first one, the second one and the last one equally often.
            for name in names[number % 3 :] + names[: number % 3]:
                print(f"{concurrency} clients, round {number + 1} of {ROUNDS}: {name}", file=sys.stderr)
                before = os.times()
                figures = tools[name](concurrency)
                after = os.times()
                used = sum(after[2:4]) - sum(before[2:4])
                results[name].append({**figures, PROCESSOR: used})
        yield concurrency, results


@dataclass(frozen=True)
class _Run:
    """The run that the tools share.

    Attributes:
        toolkit: the program under test.
        directory: for prompts and results.
        base_url: the API's, without `/v1`.
        key: an API key.
    """

    toolkit: Toolkit
    directory: Path
    base_url: str
    key: str

    def measure_toolkit(self, concurrency: int) -> Figures:
        """Run `toolkit bench`."""
        output = self.toolkit.succeed(
            *("bench", "--env", "agreement", "--concurrency", str(concurrency)),
            *("--requests", str(REQUESTS_PER_CLIENT * concurrency), "--warmup", str(concurrency)),
            *(
                "--dataset",
                str(self.directory / "prompts.jsonl"),
                "--output-tokens",
                str(OUTPUT_TOKENS),
                "--json",
            ),
        )
        (stage,) = json.loads(output)["stages"]
        assert not stage["errors"], stage["errors"]
        return _figures(
            stage["time_to_first_token"]["mean"] * 1000,
            stage["time_to_first_token"]["p50"] * 1000,
            stage["time_per_output_token"]["mean"] * 1000,
            stage["end_to_end_latency"]["mean"] * 1000,
            stage["output_tokens_per_second"],
            stage["requests_per_second"],
        )

    def measure_aiperf(self, program: Path, concurrency: int) -> Figures:
        """Run aiperf."""
        artifacts = self.directory / "aiperf"
        self._run(
            *(program, "profile", "--model", "stand-in", "--url", self.base_url, "--endpoint-type", "chat"),
            *("--streaming", "--api-key", self.key, "--use-server-token-count", "--ui", "none"),
            *("--concurrency", concurrency, "--request-count", REQUESTS_PER_CLIENT * concurrency),
            *("--warmup-request-count", concurrency, "--tokenizer", self.directory / "tokenizer"),
            *("--input-file", self.directory / "texts.jsonl", "--custom-dataset-type", "single_turn"),
            *("--extra-inputs", json.dumps({"max_tokens": OUTPUT_TOKENS}), "--artifact-dir", artifacts),
        )
        result = json.loads((artifacts / "profile_export_aiperf.json").read_text())
        assert result["request_error_rate"]["avg"] == 0
        return _figures(
            result["time_to_first_token"]["avg"],
            result["time_to_first_token"]["p50"],
            result["inter_token_latency"]["avg"],
            result["request_latency"]["avg"],
            result["output_token_throughput"]["avg"],
            result["request_throughput"]["avg"],
        )

    def measure_guidellm(self, program: Path, concurrency: int) -> Figures:
        """Run guidellm."""
        output = self.directory / "guidellm.json"
        backend = {
            "kind": "openai_http",
            "target": self.base_url,
            "model": "stand-in",
            "api_key": self.key,
            "validate_backend": False,
            "max_tokens": OUTPUT_TOKENS,
            "http2": False,
        }
        warmup = {"value": concurrency, "mode": "requests"}
        self._run(
            *(program, "run", "--backend", json.dumps(backend)),
            *("--profile", json.dumps({"kind": "concurrent", "streams": [concurrency], "warmup": warmup})),
            *("--constraint", f"kind=max_requests,count={(REQUESTS_PER_CLIENT + 1) * concurrency}"),
            *("--data", f"kind=json_file,path={self.directory / 'prompts.jsonl'}"),
            *(
                "--tokenizer",
                json.dumps({"kind": "huggingface_auto", "model": str(self.directory / "tokenizer")}),
            ),
            *("--output", f"kind=json,path={output}", "--disable-console-interactive"),
        )
        (benchmark,) = json.loads(output.read_text())["benchmarks"]
        metrics = {
            name: metric["successful"]
            for name, metric in benchmark["metrics"].items()
            if isinstance(metric, dict) and "successful" in metric
        }
        assert benchmark["metrics"]["request_totals"]["errored"] == 0
        return _figures(
            metrics["time_to_first_token_ms"]["mean"],
            metrics["time_to_first_token_ms"]["median"],
            metrics["inter_token_latency_ms"]["mean"],
            metrics["request_latency"]["mean"] * 1000,
            metrics["output_tokens_per_second"]["mean"],
            metrics["requests_per_second"]["mean"],
        )

    def _run(self, *command: object) -> None:
        result = subprocess.run(
            list(map(str, command)),
            cwd=self.directory,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")


def _figures(*values: float) -> Figures:
    return dict(zip(NAMES, values, strict=True))


def _tools(
    toolkit: Toolkit, peers: Mapping[str, Path], directory: Path
) -> dict[str, Callable[[int], Figures]]:
    outputs = json.loads(toolkit.succeed("outputs", "--env", "agreement", "--json"))
    key = toolkit.succeed("keys", "show", "default", "--env", "agreement").strip()
    run = _Run(toolkit, directory, outputs["api_base_url"].removesuffix("/v1"), key)
    generator = random.Random(1)  # noqa: S311
    words = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world")
    texts = [" ".join(generator.choices(words, k=PROMPT_WORDS)) for _ in range(200)]
    _write_lines(directory / "prompts.jsonl", [{"prompt": text} for text in texts])
    _write_lines(directory / "texts.jsonl", [{"text": text} for text in texts])
    # Both need one, although the server counts the tokens.
    subprocess.run(
        [peers["aiperf"].with_name("python"), "-c", TOKENIZER, directory / "tokenizer"], check=True
    )
    return {
        "toolkit": run.measure_toolkit,
        "aiperf": lambda concurrency: run.measure_aiperf(peers["aiperf"], concurrency),
        "guidellm": lambda concurrency: run.measure_guidellm(peers["guidellm"], concurrency),
    }


def _write_lines(path: Path, documents: list[dict[str, str]]) -> None:
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))


TOKENIZER = """
import json, pathlib, sys
from tokenizers import Tokenizer, models, pre_tokenizers
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.save(str(folder / "tokenizer.json"))
config = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
(folder / "tokenizer_config.json").write_text(json.dumps(config))
"""


def _installed(name: str, requirement: str) -> Path:
    """The program of a peer, in an environment that survives this run."""
    folder = ROOT / "build" / "bench-peers" / name
    program = folder / "bin" / name
    if not program.exists():
        print(f"installing {requirement} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [folder / "bin" / "pip", "install", "--quiet", "--no-compile", requirement], check=True
        )
    return program


@contextmanager
def _engine() -> Iterator[str]:
    """A server of chat completions that sends each token at its time, in a thread."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next((line for line in head.splitlines() if line.startswith("content-length:")), ":0")
            body = await reader.readexactly(int(length.partition(":")[2]))
            if head.startswith("post"):
                await _complete(json.loads(body), writer)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _complete(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    started = asyncio.get_running_loop().time()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stand-in"}
    count = request.get("max_tokens") or request.get("max_completion_tokens") or 16
    for number in range(count):
        due = started + FIRST_TOKEN_SECONDS + number * TOKEN_SECONDS
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        choice = {"index": 0, "delta": {"content": " word"}, "finish_reason": None}
        _send(writer, json.dumps({**shared, "choices": [choice]}))
    choice = {"index": 0, "delta": {}, "finish_reason": "length"}
    _send(writer, json.dumps({**shared, "choices": [choice]}))
    prompt = sum(len(str(message["content"]).split()) for message in request["messages"])
    usage = {"prompt_tokens": prompt, "completion_tokens": count, "total_tokens": prompt + count}
    _send(writer, json.dumps({**shared, "choices": [], "usage": usage}))
    _send(writer, "[DONE]")
    writer.write(b"0\r\n\r\n")


def _send(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))


def _report(results: Mapping[int, Mapping[str, list[Figures]]]) -> None:
    """Medians over the rounds, as a table of the documentation."""
    print(
        f"{ROUNDS} rounds on {os.cpu_count()} processors ({platform.machine()}, load "
        f"{os.getloadavg()[1]:.1f}), medians; latencies in milliseconds"
    )
    print("\n| clients | figure | toolkit | aiperf | guidellm | to aiperf | to guidellm |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for concurrency, rounds in results.items():
        for name in NAMES:
            own, *others = (statistics.median(figures[name] for figures in rounds[tool]) for tool in rounds)
            differences = [own / other - 1 for other in others]
            worst = max(worst, *map(abs, differences))
            cells = [f"{value:.1f}" for value in (own, *others)] + [f"{value:+.1%}" for value in differences]
            print(f"| {concurrency} | {name} | {' | '.join(cells)} |")
        used = (statistics.median(figures[PROCESSOR] for figures in rounds[tool]) for tool in rounds)
        print(f"| {concurrency} | {PROCESSOR} | {' | '.join(f'{value:.1f}' for value in used)} | | |")
    print(f"\nlargest difference: {worst:.1%} (aim ≤ {AIM:.0%})")


if __name__ == "__main__":
    main()
