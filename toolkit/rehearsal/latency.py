"""The latency of a stand-in, from the JSON of `toolkit bench`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from toolkit import documents
from toolkit.errors import InputError
from toolkit.serving.stand_in import StandIn


@dataclass(frozen=True)
class Distribution:
    """A metric of a stage, in seconds."""

    p50: float


@dataclass(frozen=True)
class Stage:
    """The requests at one load."""

    time_to_first_token: Distribution | None = None
    time_per_output_token: Distribution | None = None


@dataclass(frozen=True)
class Benchmark:
    """A result of `toolkit bench --json`, as far as this module uses it."""

    stages: list[Stage] = field(default_factory=list)


def measured(stand_in: StandIn, path: Path) -> StandIn:
    """A stand-in with the median latency of a benchmark, over all its stages.

    Raises:
        InputError: the file cannot be read, or has no latency of tokens.
    """
    error = InputError(
        "cannot read the benchmark", where=str(path), remedy="create it with `toolkit bench --json > FILE`"
    )
    try:
        content = documents.load(path)
    except OSError as failure:
        error.details = (failure.strerror or str(failure),)
        raise error from failure
    stages = documents.read(content, Benchmark, error).stages
    first = [stage.time_to_first_token.p50 for stage in stages if stage.time_to_first_token]
    token = [stage.time_per_output_token.p50 for stage in stages if stage.time_per_output_token]
    if not first or not token:
        error.details = ("no stage has a latency of tokens",)
        raise error
    return replace(
        stand_in,
        first_token_seconds=median(first),
        token_seconds=median(token),
        source=f"benchmark {path.name}",
    )
