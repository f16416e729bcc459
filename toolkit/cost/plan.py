"""Changes of the costs of instances by a plan, and the costs of its rollouts at most.

Both are read from the plan, in the format of `terraform show -json`, which knows what is deployed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from toolkit.cost.estimate import HOURS_PER_MONTH, dollars, label
from toolkit.cost.prices import Prices
from toolkit.cost.schedules import average_bounds
from toolkit.environment.capacity import Schedule
from toolkit.environment.model import SHADOW
from toolkit.environment.rollout import MAX_TIMEOUT

# The alarm for scaling in evaluates 15 minutes ("Target tracking scaling policies" of the Application Auto
# Scaling user guide; `toolkit/local/autoscaling/policies.py`).
SCALE_IN_SECONDS = 15 * 60
_MODULE = re.compile(r'module\.endpoint\["(?P<model>[^"]+)"\]')


@dataclass(frozen=True)
class Fleet:
    """The instances of a variant.

    Attributes:
        instance_type: their type.
        minimum: lowest number, on average by schedule.
        maximum: highest number, on average by schedule.
        price: US dollars per instance and hour; None if it is unknown.
        scale_in_seconds: how long instances without load stay, in seconds; 0 if they do not scale.
    """

    instance_type: str
    minimum: float
    maximum: float
    price: float | None
    scale_in_seconds: int = field(default=0, compare=False)

    @property
    def per_month(self) -> str:
        """ "$1,784.12 to $3,568.24"."""
        if self.price is None:
            return "unknown price"
        low, high = (count * self.price * HOURS_PER_MONTH for count in (self.minimum, self.maximum))
        return dollars(low) + (f" to {dollars(high)}" if high > low else "")

    def __str__(self) -> str:
        counts = f"{self.minimum:.4g}" + (f" to {self.maximum:.4g}" if self.maximum > self.minimum else "")
        return f"{counts} x {self.instance_type}, {self.per_month} per month"


@dataclass(frozen=True)
class FleetChange:
    """A change of a variant's instances.

    Attributes:
        name: the model, with its variant if there are several.
        before: what is deployed; None if nothing is.
        after: what the plan deploys; None if it removes the instances.
    """

    name: str
    before: Fleet | None
    after: Fleet | None

    @property
    def tail(self) -> str:
        """Costs of the instances that a lower minimum makes superfluous, until they are removed."""
        before, after = self.before, self.after
        if before is None or after is None or before.instance_type != after.instance_type:
            return ""
        count, seconds = before.minimum - after.minimum, after.scale_in_seconds
        if count <= 0 or seconds == 0 or after.price is None:
            return ""
        cost = dollars(count * after.price * seconds / 3600)
        return f"; superfluous instances stay {seconds / 60:.4g} min, {cost}"

    def __str__(self) -> str:
        return f"instances of {self.name}: {self.before or 'none'} → {self.after or 'none'}{self.tail}"


@dataclass(frozen=True)
class Rollout:
    """The costs of a rollout at most: if it lasts until its timeout.

    Attributes:
        model: its name.
        old: number of instances that serve meanwhile.
        new: number of instances that run in addition, by instance type.
        seconds: longest duration of the rollout, in seconds.
        rollback_seconds: how long the old fleet may take to start again, in seconds; 0 if it stays.
        dollars: US dollars of all instances for that time; None if a price is unknown.
        additional: US dollars of the additional instances alone; None if their price is unknown.
    """

    model: str
    old: Mapping[str, int]
    new: Mapping[str, int]
    seconds: int
    rollback_seconds: int
    dollars: float | None
    additional: float | None

    def __str__(self) -> str:
        fleets = " + ".join(
            f"{count} x {instance_type}"
            for fleet in (self.old, self.new)
            for instance_type, count in fleet.items()
        )
        cost = "unknown price"
        if self.dollars is not None and self.additional is not None:
            cost = f"{dollars(self.dollars)}, {dollars(self.additional)} of it for the additional instances"
        rollback = ""
        if self.rollback_seconds:
            rollback = f", and twice the fleet for {self.rollback_seconds / 3600:.3g} h to roll back"
        return f"rollout of {self.model} at most: {fleets} for {self.seconds / 3600:.3g} h{rollback}, {cost}"


@dataclass(frozen=True)
class PlanCosts:
    """Changes of the costs of instances by a plan.

    Attributes:
        changes: variants whose instances change.
        rollouts: updates of endpoints.
    """

    changes: tuple[FleetChange, ...] = ()
    rollouts: tuple[Rollout, ...] = ()

    def sentences(self) -> Iterator[str]:
        """One for each change and rollout."""
        if not self.changes:
            yield "the plan does not change the number, the type or the price of instances"
        yield from map(str, (*self.changes, *self.rollouts))

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {key: [asdict(item) for item in getattr(self, key)] for key in ("changes", "rollouts")}


def plan_costs(document: Mapping[str, Any], prices: Prices) -> PlanCosts:
    """Compare the costs of instances before and after a plan.

    Args:
        document: output of `terraform show -json`.
        prices: of the environment's region.
    """
    now = datetime.now(UTC)
    before = _fleets(document.get("prior_state", {}).get("values", {}), prices, now)
    after = _fleets(document.get("planned_values", {}), prices, now)
    changes = (FleetChange(name, before.get(name), after.get(name)) for name in sorted({**before, **after}))
    return PlanCosts(
        tuple(change for change in changes if change.before != change.after),
        tuple(_rollouts(document, prices)),
    )


class _Endpoint:
    """The resources of a model's endpoint, with their values.

    Args:
        module: of the endpoint, in Terraform's JSON.
    """

    def __init__(self, module: Mapping[str, Any]) -> None:
        self._resources = module.get("resources", ())

    def values(self, kind: str, name: str = "") -> dict[str, Mapping[str, Any]]:
        """The values of the resources of a type, and a name in Terraform, by index."""
        return {
            str(resource.get("index", "")): resource.get("values") or {}
            for resource in self._resources
            if resource["type"] == kind and name in ("", resource["name"])
        }

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The configuration of the endpoint; empty without an endpoint."""
        return self.used()[1]

    def used(self) -> tuple[str, Mapping[str, Any]]:
        """Key and values of the configuration that the endpoint uses."""
        names = {
            values.get("endpoint_config_name") for values in self.values("aws_sagemaker_endpoint").values()
        }
        for key, values in self.values("aws_sagemaker_endpoint_configuration").items():
            if values.get("name") in names:
                return key, values
        return "", {}


def _endpoints(values: Mapping[str, Any]) -> Iterator[tuple[str, _Endpoint]]:
    for module in values.get("root_module", {}).get("child_modules", ()):
        match = _MODULE.fullmatch(module.get("address", ""))
        if match:
            yield match["model"], _Endpoint(module)


def _fleets(values: Mapping[str, Any], prices: Prices, now: datetime) -> dict[str, Fleet]:
    """The instances by name of the model, with its variant if there are several."""
    return dict(
        pair for model, endpoint in _endpoints(values) for pair in _fleets_of(model, endpoint, prices, now)
    )


def _fleets_of(model: str, endpoint: _Endpoint, prices: Prices, now: datetime) -> Iterator[tuple[str, Fleet]]:
    policies = endpoint.values("aws_appautoscaling_policy", "tracking")
    targets = endpoint.values("aws_appautoscaling_target")
    actions = endpoint.values("aws_appautoscaling_scheduled_action")
    for variant, values in endpoint.values("terraform_data", "fleet").items():
        content = values.get("input") or {}
        # With schedules, the target has the bounds of the latest one.
        bounds = (content.get("scheduled") or "").split("-")
        if len(bounds) != 2:
            target = targets.get(variant, {})
            bounds = [target.get("min_capacity"), target.get("max_capacity")]
        schedules = [_schedule(action) for key, action in actions.items() if key.partition("/")[0] == variant]
        limits = [_number(bound) or 0 for bound in bounds]
        minimum, maximum = average_bounds(limits[0], limits[1], schedules, now)
        fleet = _fleet(content["instance_type"], minimum, maximum, prices)
        yield label(model, variant), replace(fleet, scale_in_seconds=_scale_in_seconds(policies.get(variant)))
    for shadow in endpoint.configuration.get("shadow_production_variants", ()):
        count = shadow.get("initial_instance_count") or 0
        yield label(model, SHADOW), _fleet(shadow["instance_type"], count, count, prices)


def _scale_in_seconds(policy: Mapping[str, Any] | None) -> int:
    """How long instances stay without load: until the alarm of target tracking fires, and its cooldown."""
    if policy is None:
        return 0
    (configuration,) = policy["target_tracking_scaling_policy_configuration"]
    return SCALE_IN_SECONDS + int(configuration.get("scale_in_cooldown") or 0)


def _fleet(instance_type: str, minimum: float, maximum: float, prices: Prices) -> Fleet:
    return Fleet(instance_type, minimum, maximum, _price(instance_type, prices))


def _price(instance_type: str, prices: Prices) -> float | None:
    price = prices.instance_hour(instance_type)
    return None if price is None else price.dollars


def _schedule(values: Mapping[str, Any]) -> Schedule:
    kind, _, expression = values["schedule"].removesuffix(")").partition("(")
    (bounds,) = values["scalable_target_action"]
    return Schedule.model_construct(
        name=values["name"],
        cron=expression if kind == "cron" else None,
        at=expression if kind == "at" else None,
        timezone=values.get("timezone") or "UTC",
        min=_number(bounds.get("min_capacity")),
        max=_number(bounds.get("max_capacity")),
    )


def _number(value: Any) -> int | None:
    """A capacity, which the provider has as a number or as text."""
    return None if value in (None, "") else int(value)


def _rollouts(document: Mapping[str, Any], prices: Prices) -> Iterator[Rollout]:
    """The endpoints that the plan updates to another configuration; a replaced one is deleted first."""
    deleted = {
        change["address"]
        for change in document.get("resource_changes", ())
        if "delete" in change["change"]["actions"]
    }
    before = dict(_endpoints(document.get("prior_state", {}).get("values", {})))
    for model, endpoint in _endpoints(document.get("planned_values", {})):
        key, configuration = endpoint.used()
        present = before[model].configuration if model in before else {}
        settings = endpoint.values("terraform_data", "rollout").get(key, {}).get("input")
        if f'module.endpoint["{model}"].aws_sagemaker_endpoint.this[0]' in deleted:
            continue
        if present and settings and configuration and present["name"] != configuration["name"]:
            yield _rollout(model, present, configuration, settings, prices)


def _rollout(
    model: str,
    present: Mapping[str, Any],
    configuration: Mapping[str, Any],
    settings: Mapping[str, Any],
    prices: Prices,
) -> Rollout:
    """The costs of a rollout.

    The new configuration has the present number of instances, and SageMaker keeps the old fleet until the
    new one serves. A rolling update starts a batch before it removes one; to roll back, it starts the whole
    old fleet at once (RollbackMaximumBatchSize of RollingUpdatePolicy in the API reference).
    """
    counts = {
        variant["variant_name"]: variant["initial_instance_count"] for variant in _variants(configuration)
    }
    new = _by_type(configuration, counts)
    old = _by_type(present, counts)
    seconds, rollback_seconds = int(settings.get("timeout_seconds") or MAX_TIMEOUT), 0
    again = 0.0
    if settings["strategy"] == "rolling":
        new = {kind: math.ceil(count * settings["percent"] / 100) for kind, count in new.items()}
        rollback_seconds = max(map(_start_seconds, _variants(present)))
        again = _dollars(old, rollback_seconds, prices) or 0.0
    serving = _dollars(old, seconds + rollback_seconds, prices)
    additional = _dollars(new, seconds, prices)
    if serving is None or additional is None:
        return Rollout(model, old, new, seconds, rollback_seconds, None, None)
    additional += again
    return Rollout(model, old, new, seconds, rollback_seconds, serving + additional, additional)


def _start_seconds(variant: Mapping[str, Any]) -> int:
    """How long an instance may take to start."""
    limits = ("model_data_download_timeout_in_seconds", "container_startup_health_check_timeout_in_seconds")
    return sum(variant.get(limit) or 0 for limit in limits)


def _variants(configuration: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kinds = ("production_variants", "shadow_production_variants")
    return [variant for kind in kinds for variant in configuration.get(kind) or ()]


def _by_type(configuration: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, int]:
    """The number of instances by type.

    Args:
        configuration: of an endpoint.
        counts: present number of instances by variant.
    """
    result: dict[str, int] = {}
    for variant in _variants(configuration):
        count = counts.get(variant["variant_name"], variant["initial_instance_count"])
        result[variant["instance_type"]] = result.get(variant["instance_type"], 0) + count
    return result


def _dollars(counts: Mapping[str, int], seconds: int, prices: Prices) -> float | None:
    amounts = []
    for instance_type, count in counts.items():
        price = _price(instance_type, prices)
        if price is None:
            return None
        amounts.append(count * price * seconds / 3600)
    return sum(amounts)
