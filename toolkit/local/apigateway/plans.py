"""Usage plans where moto falls short: patches as Terraform sends them, when a plan was made, keys that go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from moto.apigateway.models import APIGatewayBackend, UsagePlan

_CREATED = "toolkit_created"
_NUMBERS: dict[str, Callable[[str], int | float]] = {
    "rateLimit": float,
    "burstLimit": int,
    "limit": int,
    "offset": int,
}


def extend() -> None:
    """Extend moto in this process."""
    own = UsagePlan.__init__

    def dated(self: UsagePlan, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        setattr(self, _CREATED, datetime.now(UTC).date())

    delete_api_key = APIGatewayBackend.delete_api_key

    def delete_and_detach(self: APIGatewayBackend, api_key_id: str) -> None:
        delete_api_key(self, api_key_id)
        # On AWS a key that is deleted leaves every plan.
        for keys in self.usage_plan_keys.values():
            keys.pop(api_key_id, None)

    UsagePlan.__init__ = dated  # type: ignore[method-assign]
    APIGatewayBackend.delete_api_key = delete_and_detach  # type: ignore[method-assign]
    UsagePlan.apply_patch_operations = _patch  # type: ignore[method-assign,assignment]


def created_on(plan: UsagePlan) -> date:
    """The day (UTC) on which a plan was made."""
    day: date = getattr(plan, _CREATED)
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
    known = [s for s in plan.api_stages if (s["apiId"], s["stage"]) == (api_id, stage_name)]
    if not rest:
        if kind == "add" and not known:
            plan.api_stages.append({"apiId": api_id, "stage": stage_name})
        elif kind == "remove":
            plan.api_stages[:] = [stage for stage in plan.api_stages if stage not in known]
        return
    for stage in known:
        throttles = stage.setdefault("throttle", {})
        # A method is `/<path>/<VERB>`, after the slash that ends `throttle`.
        method, _, limit = inner.removeprefix("/").rpartition("/")
        if kind != "remove":
            throttles.setdefault(_plain(method), {})[limit] = _NUMBERS[limit](value)
        elif not inner:
            throttles.clear()
        else:
            throttles.pop(_plain(inner.removeprefix("/")), None)


def _plain(method: str) -> str:
    """A method without JSON Pointer's escapes."""
    return method.replace("~1", "/").replace("~0", "~")
