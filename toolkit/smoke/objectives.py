"""The latency and the errors of a model at the API, judged against its objectives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from toolkit import intervals
from toolkit.environment.expectations import Objectives
from toolkit.intervals import Interval
from toolkit.smoke import replies
from toolkit.smoke.results import FailedError, OutOfTokensError

NAMES: Final[Mapping[str, str]] = {
    "first_token_ms": "time to first token",
    "inter_token_ms": "inter-token latency",
    "total_ms": "total time",
    "error_percent": "errors",
}


@dataclass(frozen=True)
class Times:
    """One request; infinite times are those of a failed one, in milliseconds."""

    first_token_ms: float = math.inf
    inter_token_ms: float | None = math.inf
    total_ms: float = math.inf
    error: str | None = None
    failure: FailedError | None = None


# Sends one request; raises FailedError if it fails, NotRunError if the key may not send it.
Measure = Callable[[], Times]
# Raises FailedError or NotRunError if a response is an error.
Expect = Callable[[httpx.Response], None]


@dataclass
class ObjectiveChecks:
    """Judges objectives on one sample, which the first of them takes.

    Attributes:
        name: the model.
        objectives: its objectives.
        measure: sends one request.
        seconds: time limit of the sample.
        interval_seconds: least time between two requests, so that the usage plan does not refuse them.
        commands: a command of this program for the environment.
    """

    name: str
    objectives: Objectives
    measure: Measure
    seconds: float
    interval_seconds: float
    commands: Callable[[str], str]
    _sample: list[Times] | None = None
    _judged: set[str] = field(default_factory=set)

    def check(self, key: str) -> str:
        """Judge one objective.

        Args:
            key: its key in the environment file.

        Raises:
            FailedError: it is exceeded.
            NotRunError: the key may not use the model.
        """
        if key in self._judged or self._sample is None:
            # The repetition of a failed check needs other requests.
            self._judged.clear()
            self._sample = self._take()
        self._judged.add(key)
        return self._judge(key, self._sample)

    def _judge(self, key: str, sample: list[Times]) -> str:
        limit, confidence = self.objectives.limits[key], self.objectives.confidence_percent
        failed = [times for times in sample if times.error is not None]
        if key == "error_percent":
            unit, what = " %", "errors"
            interval = intervals.share_percent(len(failed), len(sample), confidence)
        else:
            values = [value for times in sample if (value := getattr(times, key)) is not None]
            if not values:
                raise FailedError("each response has one part", "max_tokens of the objectives is too small")
            unit, what = " ms", f"p{self.objectives.percentile:g}"
            interval = intervals.percentile(values, self.objectives.percentile, confidence)
        text = (
            f"{what} {_number(interval.estimate)}{unit} of {len(sample)} requests, {confidence:g} % interval"
            f" {_number(interval.low)} to {_number(interval.high)}{unit}, objective {_number(limit)}{unit}"
        )
        if interval.low > limit:
            text += f"; first error: {failed[0].error}" if failed else ""
            raise FailedError(text, *self._cause(failed))
        return text + _note(interval, limit)

    def _cause(self, failed: list[Times]) -> tuple[str, str]:
        if failed:
            failure = failed[0].failure or FailedError("")
            return failure.cause or "requests fail", failure.command or self.commands(f"logs {self.name}")
        cause = "the instances are overloaded or too small, or the model or its options have changed"
        return cause, self.commands("status")

    def _take(self) -> list[Times]:
        objectives, deadline = self.objectives, time.monotonic() + self.seconds
        sample: list[Times] = []
        number = 0
        while number < objectives.warm_up + objectives.requests:
            started = time.monotonic()
            if started > deadline and sample:
                break
            try:
                times = self.measure()
            except OutOfTokensError as error:
                if started + error.seconds < deadline:
                    time.sleep(error.seconds)
                    continue
                if sample:
                    break
                raise
            except (FailedError, httpx.HTTPError) as error:
                failure = error if isinstance(error, FailedError) else None
                times = Times(error=str(error) or type(error).__name__, failure=failure)
            number += 1
            if number > objectives.warm_up:
                sample.append(times)
            time.sleep(max(0.0, self.interval_seconds - (time.monotonic() - started)))
        return sample


def _note(interval: Interval, limit: float) -> str:
    if interval.high <= limit:
        return ""
    return "; undecided: too few requests to confirm it" if interval.estimate <= limit else "; undecided"


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def whole(client: httpx.Client, path: str, body: Mapping[str, Any], expect_success: Expect) -> Times:
    """Measure a request whose response is not streamed.

    Args:
        client: sends it.
        path: path of the API.
        body: the request.
        expect_success: raises an error if the response is one.
    """
    started = time.perf_counter()
    response = client.post(path, json=body)
    total = (time.perf_counter() - started) * 1000
    expect_success(response)
    return Times(total, None, total)


def streamed(client: httpx.Client, path: str, body: Mapping[str, Any], expect_success: Expect) -> Times:
    """Measure a request whose response is streamed; see `whole`."""
    started = time.perf_counter()
    arrivals, done = [], False
    with client.stream("POST", path, json={**body, "stream": True}) as response:
        if response.is_error:
            response.read()
        expect_success(response)
        for line in response.iter_lines():
            arrival, data = (time.perf_counter() - started) * 1000, line.removeprefix("data:").strip()
            if not line.startswith("data:"):
                continue
            if data == "[DONE]":
                done = True
            elif any(choice.delta.text for choice in replies.read_chunk(data.encode()).choices):
                arrivals.append(arrival)
    total, gaps = (time.perf_counter() - started) * 1000, len(arrivals) - 1
    if not done or not arrivals:
        raise FailedError("the stream is empty" if done else "the stream ended early")
    return Times(arrivals[0], (arrivals[-1] - arrivals[0]) / gaps if gaps else None, total)
