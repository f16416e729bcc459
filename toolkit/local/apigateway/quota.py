"""Quotas of usage plans: what keys used, by day, and the API that tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from moto.apigateway.models import UsagePlan, apigateway_backends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from toolkit.local.apigateway.errors import GatewayError, Refusal
from toolkit.local.apigateway.keys import KeyUse
from toolkit.local.apigateway.plans import created_on
from toolkit.local.awsapi import ApiError, Signature
from toolkit.local.service import ACCOUNT_ID

_Days = dict[date, int]


def _today() -> date:
    return datetime.now(UTC).date()


class Quotas:
    """Counts requests of keys against their usage plans' quotas.

    Args:
        today: the date in UTC, by which periods begin.
    """

    def __init__(self, today: Callable[[], date] = _today) -> None:
        self._today = today
        self._used: dict[tuple[str, str], _Days] = defaultdict(dict)
        # What `UpdateUsage` gave a key on top, for the period that began on a day.
        self._granted: dict[tuple[str, str, date], int] = {}

    def count(self, use: KeyUse) -> None:
        """Count a request.

        Raises:
            GatewayError: the key has none left in this period.
        """
        today = self._today()
        if use.plan.quota and self._remaining(use.plan, use.key.id, today) <= 0:
            raise GatewayError(Refusal.QUOTA_EXCEEDED, "Limit Exceeded")
        days = self._used[use.plan.id, use.key.id]
        days[today] = days.get(today, 0) + 1

    def _remaining(self, plan: UsagePlan, key_id: str, day: date) -> int:
        """What is left at the end of a day."""
        begin = period_start(str(plan.quota["period"]), day)
        days = self._used[plan.id, key_id]
        used = sum(count for when, count in days.items() if begin <= when <= day)
        in_first_period = created_on(plan) >= begin
        offset = int(plan.quota.get("offset") or 0) if in_first_period else 0
        granted = self._granted.get((plan.id, key_id, begin), 0)
        return int(plan.quota["limit"]) - offset + granted - used

    async def get_usage(self, request: Request) -> Response:
        """GetUsage."""
        plan = _plan(request)
        query = request.query_params
        begin, end = _date(query.get("startDate")), _date(query.get("endDate"))
        named = query.get("keyId")
        keys = {key for plan_id, key in list(self._used) if plan_id == plan.id and named in (None, key)}
        items = {key: list(self._items(plan, key, begin, end)) for key in sorted(keys)}
        return JSONResponse(_usage(plan, begin, end, items))

    def _items(self, plan: UsagePlan, key_id: str, begin: date, end: date) -> Iterator[list[int]]:
        for number in range((end - begin).days + 1):
            day = begin + timedelta(days=number)
            left = max(0, self._remaining(plan, key_id, day)) if plan.quota else 0
            yield [self._used[plan.id, key_id].get(day, 0), left]

    async def update_usage(self, request: Request) -> Response:
        """UpdateUsage: set what a key has left in this period."""
        plan, key_id, today = _plan(request), request.path_params["key_id"], self._today()
        if not plan.quota:
            raise ApiError("BadRequestException", "Usage Plan has no quota")
        for operation in (await request.json()).get("patchOperations", []):
            if (operation.get("op"), operation.get("path")) != ("replace", "/remaining"):
                raise ApiError("BadRequestException", "Invalid patch operation: only replace /remaining")
            begin = period_start(str(plan.quota["period"]), today)
            more = int(operation["value"]) - self._remaining(plan, key_id, today)
            self._granted[plan.id, key_id, begin] = self._granted.get((plan.id, key_id, begin), 0) + more
        items = {key_id: list(self._items(plan, key_id, today, today))}
        return JSONResponse(_usage(plan, today, today, items))


def period_start(period: str, day: date) -> date:
    """The first day of the period that a day lies in; weeks begin on Sundays."""
    if period == "MONTH":
        return day.replace(day=1)
    if period == "WEEK":
        return day - timedelta(days=day.isoweekday() % 7)
    return day


def _plan(request: Request) -> UsagePlan:
    backend = apigateway_backends[ACCOUNT_ID][Signature.of(request.headers).region]
    plan = backend.usage_plans.get(request.path_params["plan_id"])
    if plan is None:
        raise ApiError("NotFoundException", "Invalid Usage Plan ID specified", status=404)
    return plan


def _date(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError as error:
        raise ApiError("BadRequestException", "Invalid date, expected YYYY-MM-DD") from error


def _usage(plan: UsagePlan, begin: date, end: date, items: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "usagePlanId": plan.id,
        "startDate": begin.isoformat(),
        "endDate": end.isoformat(),
        "values": items,
    }
