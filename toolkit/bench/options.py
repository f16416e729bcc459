"""The settings of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit.bench.generator import Load
from toolkit.bench.results import Target
from toolkit.bench.workload import Lengths

# Requests of a stage for each client, so that the start and the end of a stage weigh little …
_REQUESTS_PER_CLIENT = 10
# … and enough of them to compare medians; the 95th percentile needs more, see `statistics.required`.
_LEAST_REQUESTS = 50
_INPUT_TOKENS = Lengths("256", 256)
_OUTPUT_TOKENS = Lengths("128", 128)


@dataclass(frozen=True)
class Options:
    """The settings of a benchmark.

    Attributes:
        model: name or alias; None for the only model that chats.
        concurrency: numbers of clients of closed loops.
        rates: mean requests per second of open loops.
        requests: measured requests of each stage; by default ten for each client, at least 50.
        seconds: no request of a stage starts after this time.
        warmup: requests before those; by default one for each client, at least one.
        input_tokens: lengths of synthetic prompts.
        output_tokens: lengths of responses.
        dataset: file with prompts; None for synthetic ones.
        turns: prompts of a conversation.
        shared_prefix_tokens: tokens at the beginning of synthetic prompts that are the same.
        distinct_prompts: number of different prompts; 0 if none repeats.
        natural_end: whether responses may be shorter than asked for.
        targets: where to measure.
        seed: of lengths, words and arrivals.
        timeout: seconds after which a request fails.
    """

    model: str | None = None
    concurrency: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    requests: int | None = None
    seconds: float | None = None
    warmup: int | None = None
    input_tokens: Lengths = _INPUT_TOKENS
    output_tokens: Lengths = _OUTPUT_TOKENS
    dataset: Path | None = None
    turns: int = 1
    shared_prefix_tokens: int = 0
    distinct_prompts: int = 0
    natural_end: bool = False
    targets: tuple[Target, ...] = ("api",)
    seed: int = 0
    timeout: float = 300.0

    @property
    def loads(self) -> list[Load]:
        """The loads to measure, in their order."""
        closed = [self._load(clients, concurrency=clients) for clients in self.concurrency]
        return closed + [self._load(1, rate=rate) for rate in self.rates]

    @property
    def most_requests(self) -> int | None:
        """The most requests that are sent, with those of the warm-ups; None if only the time limits them."""
        if self.requests is None and self.seconds is not None:
            return None
        counts = ((load.requests or 0) + load.warmup for load in self.loads)
        return sum(counts) * len(self.targets)

    def _load(self, clients: int, *, concurrency: int | None = None, rate: float | None = None) -> Load:
        requests = self.requests
        if requests is None and self.seconds is None:
            requests = max(_LEAST_REQUESTS, _REQUESTS_PER_CLIENT * clients)
        warmup = clients if self.warmup is None else self.warmup
        return Load(concurrency, rate, requests, self.seconds, warmup)
