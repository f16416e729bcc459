"""Throttling: token buckets, by API key as its usage plan says, and by method as the stage's settings say."""

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
    """A limit.

    Attributes:
        per_second: requests per second, lastingly.
        burst: requests at once.
    """

    per_second: float
    burst: int


@dataclass
class _Bucket:
    rate: Rate
    tokens: float
    filled_at: float

    def take(self, now: float) -> bool:
        grown = self.tokens + (now - self.filled_at) * self.rate.per_second
        self.tokens, self.filled_at = min(self.rate.burst, grown), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def is_full(self, now: float) -> bool:
        return self.tokens + (now - self.filled_at) * self.rate.per_second >= self.rate.burst


class Throttle:
    """Buckets of all keys and methods.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def admit(self, request: ApiRequest, use: KeyUse | None) -> None:
        """Let a request through, or not.

        Raises:
            GatewayError: there are too many.
        """
        for who, rate in _limits(request, use):
            if not self._take(who, rate):
                raise GatewayError(Refusal.THROTTLED, "Too Many Requests")

    def _take(self, who: tuple[str, ...], rate: Rate) -> bool:
        now = self._clock()
        bucket = self._buckets.get(who)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= _MAX_BUCKETS:
                self._buckets = {name: kept for name, kept in self._buckets.items() if not kept.is_full(now)}
            bucket = self._buckets[who] = _Bucket(rate, rate.burst, now)
        return bucket.take(now)


def _limits(request: ApiRequest, use: KeyUse | None) -> Iterator[tuple[tuple[str, ...], Rate]]:
    """The limits that a request meets, in AWS's order, each with whose it is."""
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
    # Negative: no limit of its own, which leaves the account's, and this account has one user.
    if rate is None or burst is None or float(rate) < 0 or int(burst) < 0:
        return None
    return Rate(float(rate), int(burst))
