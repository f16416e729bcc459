"""The result of a benchmark, as it is stored, compared and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Target = Literal["api", "runtime"]
# Why a stage stopped early: Ctrl-C, or the signal of a build server.
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True)
class Request:
    """One request; all times are in seconds.

    Attributes:
        started: when it was to be sent, from the start of its stage: at its planned arrival in an open loop,
            so that a slow server cannot delay the clock (coordinated omission).
        total: from `started` to the last byte of the response.
        first: from `started` to the first token; None if it failed before.
        gaps: between consecutive parts of the stream that contain text.
        input_tokens: as the server counts them; None if it does not.
        output_tokens: as the server counts them; None if it does not.
        server: time by hop, as far as the server reports it, such as `{"gateway": 0.002, "model": 0.41}`.
        error: the reason of a failure, such as `HTTP 429 rate_limit_exceeded`; None if it succeeded.
        delay: from `started` to sending it: the load generator's part of `total`.
        connected: the time to connect, which is part of `total`; None if it used an open connection.
    """

    started: float
    total: float
    first: float | None = None
    gaps: tuple[float, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    server: Mapping[str, float] | None = None
    error: str | None = None
    delay: float = 0.0
    connected: float | None = None


@dataclass(frozen=True)
class Stage:
    """The requests at one load, without those of the warm-up.

    Attributes:
        target: where it was measured.
        concurrency: number of clients that wait for their response, in a closed loop; None in an open one.
        rate: requests per second, in an open loop; None in a closed one.
        seconds: its duration.
        requests: in the order of their start.
        stopped: why it ended early; None if it did not.
    """

    target: Target
    seconds: float
    requests: tuple[Request, ...]
    concurrency: int | None = None
    rate: float | None = None
    stopped: str | None = None


@dataclass(frozen=True)
class Subject:
    """The deployment that was measured; a result applies to another one only if all members agree.

    Attributes:
        weights: digest of the model's weights, or the source with its revision.
        image: the container image with its digest or tag.
        options: digest of the engine's options and environment variables.
        instance_type: instance type, or the memory of a serverless endpoint.
        instances: number of instances in service at the start.
        gateway: digest of the gateway's code.
        release: number of the release.
    """

    weights: str
    image: str
    options: str
    instance_type: str
    instances: int
    gateway: str
    release: int | None = None


@dataclass(frozen=True)
class Generator:
    """The load generator's own limit, measured against a server that responds at once.

    Attributes:
        requests_per_second: the most that it can send and read.
        seconds_per_request: its own part of each request's time.
    """

    requests_per_second: float
    seconds_per_request: float


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of one model.

    Attributes:
        environment: name of the environment.
        model: name of the model.
        started: time of its start, ISO 8601 in UTC.
        toolkit: version of the toolkit.
        subject: the deployment.
        workload: the settings of its prompts and outputs, by name.
        objectives: the model's objectives, by name: times in seconds, a share of errors, and a percentile.
        generator: the limit of the load generator.
        stages: in the order in which they were measured.
        version: version of this format.
    """

    environment: str
    model: str
    started: str
    toolkit: str
    subject: Subject
    workload: Mapping[str, str | int | float | bool]
    objectives: Mapping[str, float]
    generator: Generator
    stages: tuple[Stage, ...]
    version: int = 1
