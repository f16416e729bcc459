"""The load generator's own limit, measured against a server that responds at once."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from toolkit.bench import targets
from toolkit.bench.generator import Limits, Load, Runner, Settings, Stop
from toolkit.bench.results import Generator
from toolkit.bench.targets import Target
from toolkit.bench.workload import Lengths, Workload
from toolkit.errors import PreflightError
from toolkit.processes import environment_without_secrets

_SECONDS: Final = 0.5
# More parts per response measure the same, and take longer.
_MOST_PARTS: Final = 256
# Here the load generator is meant to be the bottleneck.
_NO_LIMITS: Final = Limits(seconds=float("inf"))


async def measure(workload: Workload, output_tokens: Lengths, concurrency: int, target: Target) -> Generator:
    """Measure how many requests per second the load generator can send, and its part of their time.

    Args:
        workload: the same as against the deployment.
        output_tokens: its lengths of responses, one part of the stream for each token.
        concurrency: the largest number of requests at a time.
        target: the deployment; its signature is part of the work.

    Raises:
        PreflightError: the server of this machine does not respond.
    """
    parts = min(_MOST_PARTS, max(1, round(output_tokens.mean)))
    signer = getattr(target, "signer", None)
    with _null_server(parts) as url:
        runner = Runner(targets.Api(url, "null", {}, signer), workload, Settings(limits=_NO_LIMITS))
        try:
            # The first requests open the connections.
            alone = await runner.measure(Load(concurrency=1, seconds=_SECONDS, warmup=1), Stop())
            load = Load(concurrency=concurrency, seconds=_SECONDS, warmup=concurrency)
            together = await runner.measure(load, Stop())
        finally:
            runner.close()
    failures = [request.error for request in (*alone.requests, *together.requests) if request.error]
    if failures:
        raise PreflightError(
            f"cannot measure the load generator's own limit: {failures[0]}",
            remedy="check that programs of this machine may connect to 127.0.0.1",
        )
    scale = max(1.0, output_tokens.mean / parts)
    return Generator(
        requests_per_second=len(together.requests) / together.seconds / scale,
        seconds_per_request=statistics.median(request.total for request in alone.requests) * scale,
    )


@contextmanager
def _null_server(parts: int) -> Iterator[str]:
    command = [sys.executable, "-m", "toolkit.bench.null_server", str(parts)]
    # In its own session, or Ctrl-C would end it with a traceback; it ends with its standard input.
    with subprocess.Popen(
        command,
        env=environment_without_secrets(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()
