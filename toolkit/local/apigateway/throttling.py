"""Throttling: token buckets by API key (usage plan) and by method (stage settings)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.exceptions import GatewayError, Refusal
from toolkit.local.apigateway.usage_plans import KeyUse

_MAX_BUCKETS = 10_000


@dataclass(frozen=True)
class Rate:
    """A rate limit.

    Attributes:
        per_second: sustained requests per second.
        burst: concurrent requests.
    """

    per_second: float
    burst: int


@dataclass
class _Bucket:
    rate: Rate
    tokens: float
    filled_at: float

    def take(self, now: float) -> bool:
        refilled = self.tokens + (now - self.filled_at) * self.rate.per_second
        self.tokens, self.filled_at = min(self.rate.burst, refilled), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def is_full(self, now: float) -> bool:
        return self.tokens + (now - self.filled_at) * self.rate.per_second >= self.rate.burst


class Throttle:
    """The buckets of all keys and methods.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def admit(self, request: ApiRequest, use: KeyUse | None) -> None:
        """Admit a request.

        Raises:
            GatewayError: a limit is exceeded.
        """
        for owner, rate in _limits(request, use):
            if not self._take(owner, rate):
                raise GatewayError(Refusal.THROTTLED, "Too Many Requests")

    def _take(self, owner: tuple[str, ...], rate: Rate) -> bool:
        now = self._clock()
        bucket = self._buckets.get(owner)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= _MAX_BUCKETS:
                self._buckets = {name: old for name, old in self._buckets.items() if not old.is_full(now)}
            bucket = self._buckets[owner] = _Bucket(rate, rate.burst, now)
        return bucket.take(now)


def _limits(request: ApiRequest, use: KeyUse | None) -> Iterator[tuple[tuple[str, ...], Rate]]:
    """The limits of a request in AWS's order, each with the key of its bucket."""
    if request.method is None:
        return
    method = f"{request.method.resource}/{request.method.http_method}"
    if use is not None:
        by_method = use.method_throttles.get(method)
        rate = _rate(by_method or use.plan.throttle or {}, "rateLimit", "burstLimit")
        if rate is not None:
            yield ("plan", use.plan.id, use.key.id, request.stage.arn, method if by_method else ""), rate
    settings = request.stage.settings_of(method)
    rate = _rate(settings, "throttlingRateLimit", "throttlingBurstLimit")
    if rate is not None:
        yield ("stage", request.stage.arn, method), rate


def _rate(settings: object, rate_name: str, burst_name: str) -> Rate | None:
    values = settings if isinstance(settings, dict) else {}
    rate, burst = values.get(rate_name), values.get(burst_name)
    # A negative value means no limit.
    if rate is None or burst is None or float(rate) < 0 or int(burst) < 0:
        return None
    return Rate(float(rate), int(burst))
