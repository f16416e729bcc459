"""API keys, quotas, and moto's usage plans, extended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from moto.apigateway.models import APIGatewayBackend, ApiKey, UsagePlan, apigateway_backends

from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.exceptions import GatewayError, Refusal
from toolkit.local.service import ACCOUNT_ID


@dataclass(frozen=True)
class KeyUse:
    """An API key that may call a stage.

    Attributes:
        plan: the usage plan that allows it, with throttle and quota.
        method_throttles: by `<path>/<VERB>`.
    """

    key: ApiKey
    plan: UsagePlan
    method_throttles: Mapping[str, Mapping[str, Any]]


def authorize_key(request: ApiRequest) -> KeyUse | None:
    """Check the API key of a request, if its method requires one.

    Raises:
        GatewayError: the key is missing, unknown, disabled, or in no usage plan of this stage.
    """
    if request.method is None or not request.method.needs_api_key:
        return None
    if request.stage.definition.api_key_source == "AUTHORIZER":
        value = request.identity.usage_key if request.identity else None
    else:
        value = request.headers.get("x-api-key")
    backend = apigateway_backends[ACCOUNT_ID][request.stage.region]
    use = _find_use(backend, request, value) if value else None
    if use is None:
        raise GatewayError(Refusal.INVALID_API_KEY, "Forbidden")
    request.api_key_id, request.api_key = use.key.id, use.key.value
    return use


def _find_use(backend: APIGatewayBackend, request: ApiRequest, value: str) -> KeyUse | None:
    for key in list(backend.keys.values()):
        if key.value == value and key.enabled:
            for plan in list(backend.usage_plans.values()):
                stage = _plan_stage(plan, request)
                if stage is not None and key.id in backend.usage_plan_keys.get(plan.id, {}):
                    return KeyUse(key, plan, stage.get("throttle") or {})
    return None


def _plan_stage(plan: UsagePlan, request: ApiRequest) -> Mapping[str, Any] | None:
    target = (request.stage.api_id, request.stage.name)
    return next((stage for stage in plan.api_stages if (stage["apiId"], stage["stage"]) == target), None)


_Days = dict[date, int]


def _today() -> date:
    return datetime.now(UTC).date()


class Quotas:
    """Counts requests of API keys against the quotas of their usage plans.

    Args:
        today: the current date in UTC, where periods begin.
    """

    def __init__(self, today: Callable[[], date] = _today) -> None:
        self._today = today
        self._used: dict[tuple[str, str], _Days] = defaultdict(dict)
        # Extra requests from UpdateUsage, by plan, key and first day of the period.
        self._granted: dict[tuple[str, str, date], int] = {}

    def count(self, use: KeyUse) -> None:
        """Count a request.

        Raises:
            GatewayError: the quota of this period is used up.
        """
        today = self._today()
        if use.plan.quota and self._remaining(use.plan, use.key.id, today) <= 0:
            raise GatewayError(Refusal.QUOTA_EXCEEDED, "Limit Exceeded")
        days = self._used[use.plan.id, use.key.id]
        days[today] = days.get(today, 0) + 1

    def _remaining(self, plan: UsagePlan, key_id: str, day: date) -> int:
        """Requests that remain at the end of a day."""
        begin = period_start(str(plan.quota["period"]), day)
        days = self._used[plan.id, key_id]
        used = sum(count for counted_on, count in days.items() if begin <= counted_on <= day)
        in_first_period = created_on(plan) >= begin
        offset = int(plan.quota.get("offset") or 0) if in_first_period else 0
        granted = self._granted.get((plan.id, key_id, begin), 0)
        return int(plan.quota["limit"]) - offset + granted - used

    def today(self) -> date:
        """The current date in UTC."""
        return self._today()

    def keys_of(self, plan: UsagePlan) -> set[str]:
        """Ids of the keys that have used a plan."""
        return {key for plan_id, key in list(self._used) if plan_id == plan.id}

    def daily_usage(self, plan: UsagePlan, key_id: str, begin: date, end: date) -> Iterator[list[int]]:
        """For each day of a range: the requests used, and those remaining at its end (0 without a quota)."""
        for number in range((end - begin).days + 1):
            day = begin + timedelta(days=number)
            remaining = max(0, self._remaining(plan, key_id, day)) if plan.quota else 0
            yield [self._used[plan.id, key_id].get(day, 0), remaining]

    def set_remaining(self, plan: UsagePlan, key_id: str, remaining: int) -> None:
        """Set how many requests a key has left in the current period."""
        today = self._today()
        period = (plan.id, key_id, period_start(str(plan.quota["period"]), today))
        more = remaining - self._remaining(plan, key_id, today)
        self._granted[period] = self._granted.get(period, 0) + more


def period_start(period: str, day: date) -> date:
    """The first day of the period of a day; weeks begin on Sunday."""
    if period == "MONTH":
        return day.replace(day=1)
    if period == "WEEK":
        return day - timedelta(days=day.isoweekday() % 7)
    return day


_PLAN_CREATED = "toolkit_created"
_NUMBERS: dict[str, Callable[[str], int | float]] = {
    "rateLimit": float,
    "burstLimit": int,
    "limit": int,
    "offset": int,
}


def extend() -> None:
    """Extend moto in this process."""
    original = UsagePlan.__init__

    def create(self: UsagePlan, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        setattr(self, _PLAN_CREATED, datetime.now(UTC).date())

    delete_api_key = APIGatewayBackend.delete_api_key

    def delete_and_detach(self: APIGatewayBackend, api_key_id: str) -> None:
        delete_api_key(self, api_key_id)
        # On AWS a deleted key leaves every plan.
        for keys in self.usage_plan_keys.values():
            keys.pop(api_key_id, None)

    UsagePlan.__init__ = create  # type: ignore[method-assign]
    APIGatewayBackend.delete_api_key = delete_and_detach  # type: ignore[method-assign]
    UsagePlan.apply_patch_operations = _patch  # type: ignore[method-assign,assignment]


def created_on(plan: UsagePlan) -> date:
    """The day (UTC) on which a plan was created."""
    day: date = getattr(plan, _PLAN_CREATED)
    return day


def _patch(plan: UsagePlan, patch_operations: list[dict[str, Any]]) -> None:
    for operation in patch_operations:
        _apply(plan, operation["op"], operation["path"], operation.get("value"))


def _apply(plan: UsagePlan, kind: str, path: str, value: Any) -> None:
    first, _, rest = path.removeprefix("/").partition("/")
    if first == "apiStages":
        _patch_stages(plan, kind, rest, value)
    elif first in ("quota", "throttle"):
        settings = getattr(plan, first)
        if kind == "remove" and not rest:
            settings.clear()
        elif kind == "remove":
            settings.pop(rest, None)
        else:
            settings[rest] = _NUMBERS.get(rest, str)(value)
    elif first in ("name", "description", "productCode"):
        attribute = "product_code" if first == "productCode" else first
        setattr(plan, attribute, None if kind == "remove" else value)


def _patch_stages(plan: UsagePlan, kind: str, rest: str, value: Any) -> None:
    """`/apiStages` with `<api>:<stage>`, or `/apiStages/<api>:<stage>/throttle/<method>/<limit>`."""
    name, _, inner = rest.partition("/throttle")
    api_id, _, stage_name = (name or str(value)).partition(":")
    stages = [s for s in plan.api_stages if (s["apiId"], s["stage"]) == (api_id, stage_name)]
    if not rest:
        if kind == "add" and not stages:
            plan.api_stages.append({"apiId": api_id, "stage": stage_name})
        elif kind == "remove":
            plan.api_stages[:] = [stage for stage in plan.api_stages if stage not in stages]
        return
    for stage in stages:
        throttles = stage.setdefault("throttle", {})
        # A method is `/<path>/<VERB>`, after the slash that ends `throttle`.
        method, _, limit = inner.removeprefix("/").rpartition("/")
        if kind != "remove":
            throttles.setdefault(_unescaped(method), {})[limit] = _NUMBERS[limit](value)
        elif not inner:
            throttles.clear()
        else:
            throttles.pop(_unescaped(inner.removeprefix("/")), None)


def _unescaped(method: str) -> str:
    """A method without the escapes of JSON Pointer."""
    return method.replace("~1", "/").replace("~0", "~")
