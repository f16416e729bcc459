"""Budgets of API keys: tokens per minute and month, dollars per month (ADR 29).

A request reserves tokens before its model is invoked, and settles them by the engine's counts before its
response ends. Both are one update of an item in DynamoDB, which has the counters of a key in a month.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.dynamodb import ConditionFailedError, Table, TableError, ThrottledError
from gateway.errors import QuotaExceededError, RateLimitError, TokenRateExceededError
from gateway.model_response import ModelResponse
from gateway.request_log import RequestRecord
from gateway.settings import Budget, Settings

# Of English text and of code; of other scripts it is more, but their characters have more bytes.
_CHARACTERS_PER_TOKEN: Final = 4
# Members of requests that can be data URLs.
_URLS: Final = ("url", "image_url", "file_data")
# Counters of a month are kept for this long after it.
_KEPT: Final = timedelta(days=400)
# A window begins once, and each failure of a condition means that another request was faster.
_ATTEMPTS: Final = 10
# A new window begins with the first request in it.
_ADD: Final = "ADD month_tokens :tokens, month_dollars :dollars"
_CONTINUE: Final = f"{_ADD}, minute_tokens :tokens"
_BEGIN: Final = f"SET usage_minute = :minute, minute_tokens = :tokens, expires_at = :expires {_ADD}"
_CURRENT: Final = "usage_minute = :minute"
_MISSING: Final = "attribute_not_exists({})"
_OLD: Final = f"({_MISSING.format('usage_minute')} OR usage_minute < :minute)"


@dataclass(frozen=True)
class Amount:
    """Tokens, and their price."""

    tokens: int
    dollars: Decimal

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.dollars - other.dollars)


@dataclass
class Reservation:
    """A request's share of its key's budget.

    Attributes:
        budget: of the key.
        key: of its counters: the key's name, which a rotation keeps; of a key without one, its id.
        month: such as `2026-11`, in UTC.
        minute: number of the minute since 1970.
        prompt: an estimate of the prompt's tokens.
        amount: what the counters contain.
        used_minute: tokens of the minute, including the reservation; None if unknown.
        settled: whether the counters contain what the request has used.
    """

    budget: Budget
    key: str
    month: str
    minute: int
    prompt: int
    amount: Amount = Amount(0, Decimal(0))
    used_minute: int | None = None
    settled: bool = False


class Budgets:
    """The budgets of all keys.

    Args:
        settings: the gateway's.
        table: the counters.
        clock: the time in seconds since 1970.
    """

    def __init__(self, settings: Settings, table: Table, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._by_key = settings.budgets
        self._models = settings.models
        self._table = table

    async def admit(
        self, record: RequestRecord, response: ModelResponse, body: dict[str, Any], repeated_bytes: int = 0
    ) -> None:
        """Reserve the tokens of a request whose key has a budget.

        If the counters cannot be reached, the request is admitted, and its log line and a metric say so.

        Args:
            record: of the request.
            response: to the request, not yet started.
            body: the request in OpenAI's shape.
            repeated_bytes: size of the text that the model processes again.

        Raises:
            QuotaExceededError: the budget of the month is used up.
            TokenRateExceededError: the budget of the minute is used up.
            RateLimitError: there are more requests of one key than DynamoDB counts.
        """
        budget = self._by_key.get(record.key_name or "*", self._by_key.get("*"))
        if budget is None:
            return
        now = self.clock()
        month = f"{datetime.fromtimestamp(now, UTC):%Y-%m}"
        key = record.key_name or f"id:{record.api_key_id}"
        reservation = Reservation(budget, key, month, int(now // 60), _tokens(body, repeated_bytes))
        record.reservation = reservation
        output = response.max_tokens or 0
        reserved = self._amount(response.model, reservation.prompt, output)
        try:
            await self._add(reservation, reserved, _limits(budget))
        except ThrottledError as error:
            raise RateLimitError(cause=str(error)) from error
        except TableError as error:
            record.budget_error = str(error)
        else:
            reservation.amount = reserved

    async def settle(self, record: RequestRecord) -> None:
        """Replace the reservation by what the request has used, once. Its response has not ended yet."""
        reservation, response = record.reservation, record.response
        if reservation is None or response is None or reservation.settled:
            return
        reservation.settled = True
        difference = self._used(record, response, reservation) - reservation.amount
        try:
            if difference.tokens > 0:
                # They count in the present minute: otherwise long responses would escape the limit.
                reservation.minute = int(self.clock() // 60)
                await self._add(reservation, difference)
            elif difference != Amount(0, Decimal(0)):
                await self._return(reservation, difference)
        except TableError as error:
            record.budget_error = str(error)

    def _used(self, record: RequestRecord, response: ModelResponse, reservation: Reservation) -> Amount:
        if response.usage:
            counts = (response.usage.get(f"{kind}_tokens") for kind in ("prompt", "completion"))
            prompt, output = (
                count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0
                for count in counts
            )
            return self._amount(response.model, prompt, output)
        if record.error is not None and response.first_token_at is None:
            return Amount(0, Decimal(0))
        # The client disconnected, the model failed in the middle, or the engine does not count.
        return self._amount(response.model, reservation.prompt, response.chunk_count)

    def _amount(self, model: str, prompt: int, output: int) -> Amount:
        price = self._models[model].price if model in self._models else None
        dollars = Decimal(0)
        if price is not None:
            dollars = (prompt * Decimal(str(price[0])) + output * Decimal(str(price[1]))) / 1_000_000
        return Amount(prompt + output, dollars)

    async def _add(
        self, reservation: Reservation, amount: Amount, limits: Mapping[str, Any] | None = None
    ) -> None:
        """Add to all counters, unless one has reached its limit."""
        limits = limits or {}
        month_limits = {name: limit for name, limit in limits.items() if name != "minute_tokens"}
        key = {"api_key": reservation.key, "usage_month": reservation.month}
        begins = False
        for _ in range(_ATTEMPTS):
            values = {"minute": reservation.minute, **_values(amount)}
            try:
                if begins:
                    # In a new item, the counters are missing.
                    within = [f"({_MISSING.format(name)} OR {name} < :{name}_limit)" for name in month_limits]
                    values |= {"expires": _expiry(reservation.month), **_named(month_limits)}
                    condition = " AND ".join([_OLD, *within])
                    item = await self._table.update(key, _BEGIN, condition, values)
                else:
                    condition = " AND ".join([_CURRENT, *(f"{name} < :{name}_limit" for name in limits)])
                    item = await self._table.update(key, _CONTINUE, condition, values | _named(limits))
            except ConditionFailedError as error:
                minute = int(error.item.get("usage_minute", -1))
                # The clock of another instance may be ahead.
                reservation.minute = max(reservation.minute, minute)
                begins = minute < reservation.minute
                self._check(reservation, error.item, limits, begins=begins)
            else:
                reservation.used_minute = int(item["minute_tokens"])
                return
        raise TableError(f"the counters changed {_ATTEMPTS} times meanwhile")

    async def _return(self, reservation: Reservation, difference: Amount) -> None:
        """Take unused tokens from the month, and from the minute unless it has passed."""
        key = {"api_key": reservation.key, "usage_month": reservation.month}
        values = _values(difference)
        try:
            await self._table.update(key, _CONTINUE, _CURRENT, {"minute": reservation.minute, **values})
        except ConditionFailedError:
            await self._table.update(key, _ADD, None, values)

    def _check(
        self,
        reservation: Reservation,
        item: Mapping[str, Decimal],
        limits: Mapping[str, Any],
        *,
        begins: bool,
    ) -> None:
        """Raise the error of the limit that is reached, if one is; the month's first."""
        for name in ("month_tokens", "month_dollars"):
            if name in limits and item.get(name, 0) >= limits[name]:
                used, unit = item[name], name.partition("_")[2]
                raise QuotaExceededError(
                    f"You exceeded your current quota: {_text(used)} of {_text(limits[name])} {unit} of "
                    "this API key are used this month, in UTC.",
                    _seconds(_next_month(reservation.month).timestamp() - self.clock()),
                )
        if "minute_tokens" in limits and not begins and item["minute_tokens"] >= limits["minute_tokens"]:
            reservation.used_minute = used_minute = int(item["minute_tokens"])
            seconds = _seconds(60 * (reservation.minute + 1) - self.clock())
            raise TokenRateExceededError(limits["minute_tokens"], used_minute, seconds)


class BudgetMiddleware:
    """Settles each request before its response ends, because Lambda may then freeze the function.

    Args:
        app: the application.
        budgets: of all keys.
    """

    def __init__(self, app: ASGIApp, budgets: Budgets) -> None:
        self._app = app
        self._budgets = budgets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record: RequestRecord | None = scope.get("state", {}).get("record")
        if record is None:
            await self._app(scope, receive, send)
            return

        async def settled(message: Message) -> None:
            if message["type"] == "http.response.start" and record.reservation is not None:
                MutableHeaders(scope=message).update(
                    rate_limit_headers(record.reservation, record.path, self._budgets.clock())
                )
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await self._budgets.settle(record)
            await send(message)

        try:
            await self._app(scope, receive, settled)
        finally:
            await self._budgets.settle(record)


def rate_limit_headers(reservation: Reservation, path: str, now: float) -> dict[str, str]:
    """The state of the minute's budget, as OpenAI and Anthropic name it."""
    limit, used = reservation.budget.tokens_per_minute, reservation.used_minute
    if limit is None or used is None:
        return {}
    remaining, end = max(0, limit - used), 60 * (reservation.minute + 1)
    if path.startswith("/v1/messages"):
        prefix = "anthropic-ratelimit-tokens"
        return {
            f"{prefix}-limit": str(limit),
            f"{prefix}-remaining": str(remaining),
            f"{prefix}-reset": f"{datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
    return {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(remaining),
        "x-ratelimit-reset-tokens": f"{_seconds(end - now)}s",
    }


def _limits(budget: Budget) -> dict[str, Any]:
    limits = {
        "minute_tokens": budget.tokens_per_minute,
        "month_tokens": budget.tokens_per_month,
        "month_dollars": None if budget.dollars_per_month is None else Decimal(str(budget.dollars_per_month)),
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def _named(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}_limit": limit for name, limit in limits.items()}


def _values(amount: Amount) -> dict[str, Any]:
    return {"tokens": amount.tokens, "dollars": amount.dollars}


def _text(number: Any) -> str:
    return f"{Decimal(number).normalize():f}"


def _seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _next_month(month: str) -> datetime:
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return (first + timedelta(days=31)).replace(day=1)


def _expiry(month: str) -> int:
    return int((_next_month(month) + _KEPT).timestamp())


def _tokens(body: dict[str, Any], repeated_bytes: int) -> int:
    """An estimate of the prompt's tokens, at least one."""
    return max(1, (_size(body) + repeated_bytes) // _CHARACTERS_PER_TOKEN)


def _size(value: Any, name: str = "") -> int:
    """Bytes of the texts in a value, which is the member `name` of an object."""
    if isinstance(value, str):
        # An image has far fewer tokens than characters. Elsewhere, "data:" begins a text like any other.
        is_image = name in _URLS and value.startswith("data:")
        return 0 if is_image else len(value.encode(errors="replace"))
    if isinstance(value, dict):
        return sum(_size(member, key) for key, member in value.items())
    if isinstance(value, list) and value and isinstance(value[0], int):
        return len(value) * _CHARACTERS_PER_TOKEN  # a prompt of token numbers
    return sum(_size(item) for item in value) if isinstance(value, list) else 0
