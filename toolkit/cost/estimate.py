"""Estimates what an environment costs per hour, day and month, from its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from toolkit.cost.prices import Price, Prices
from toolkit.cost.schedules import average_bounds
from toolkit.environment import Environment
from toolkit.environment.cost import Traffic
from toolkit.environment.endpoint import Serverless
from toolkit.environment.model import ONLY_VARIANT, Model, ResolvedVariant
from toolkit.errors import PolicyViolationError
from toolkit.serving import catalogue

# As AWS's calculator: a year's hours divided by 12.
HOURS_PER_MONTH = 730
NOT_INCLUDED = (
    "Not included: data transfer, S3, metrics, alarms, firewalls, logs of containers, the storage "
    "of logs, keys of KMS, tax, discounts, Savings Plans"
)
# Of a streamed request to the embedded cloud: 246 bytes of API Gateway's line, 1,334 of the gateway's and 258
# of Lambda's three, each with the 26 bytes that PutLogEvents counts for an event; rounded.
LOG_GB = 2e-6
# The reservation, and its settlement; an item has less than 1 KB (`lambda_src/gateway/budgets.py`).
BUDGET_WRITES = 2


@dataclass(frozen=True)
class Item:
    """An item on the bill, in US dollars per hour.

    Attributes:
        name: the model, with its variant if there are several, or the API.
        details: quantity and unit price.
        minimum: at minimum capacity; None if a price is unknown.
        maximum: at maximum capacity; None if a price is unknown.
        source: where the price comes from, with its date; empty if it is unknown.
        by_traffic: whether it depends on what the file states alone, such as traffic, not on instances.
    """

    name: str
    details: str
    minimum: float | None
    maximum: float | None
    source: str = ""
    by_traffic: bool = False


@dataclass(frozen=True)
class TokenCost:
    """The cost of output tokens that a stored benchmark measured.

    Attributes:
        model: the model.
        dollars_per_million: US dollars per million output tokens, at the stage with the most of them.
        details: stage, instances and benchmark.
        source: see `Item`.
    """

    model: str
    dollars_per_million: float
    details: str
    source: str


@dataclass(frozen=True)
class Estimate:
    """The costs of an environment.

    Attributes:
        region: AWS region.
        items: the items on the bill.
        ceiling: US dollars per month that the environment file allows; None without a ceiling.
        ceiling_capacity: the capacity that the ceiling applies to, "minimum" or "maximum".
        price_problem: why prices are not from the Price List API; empty if they are, or if it was not asked.
        current: the instances that run or start now; None if they are not known.
        current_problem: why they are not known; empty if they are, or if AWS was not asked.
        tokens: the costs of tokens, of models with a benchmark.
    """

    region: str
    items: tuple[Item, ...]
    ceiling: float | None = None
    ceiling_capacity: str = "maximum"
    price_problem: str = ""
    current: tuple[Item, ...] | None = None
    current_problem: str = ""
    tokens: tuple[TokenCost, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all prices are known."""
        return all(item.minimum is not None for item in self.items)

    def per_hour(self, capacity: str) -> float:
        """US dollars per hour at a capacity, "minimum" or "maximum", without what is unknown."""
        return sum(getattr(item, capacity) or 0 for item in self.items)

    @property
    def current_per_hour(self) -> float | None:
        """US dollars per hour of the current instances and the stated traffic; None if they are not known."""
        if self.current is None or any(item.minimum is None for item in self.current):
            return None
        items = (*self.current, *(item for item in self.items if item.by_traffic))
        return sum(item.minimum or 0 for item in items)

    @property
    def violation(self) -> str:
        """How far the estimate exceeds the ceiling; empty if it does not."""
        if self.ceiling is None:
            return ""
        month = self.per_hour(self.ceiling_capacity) * HOURS_PER_MONTH
        if month <= self.ceiling:
            return ""
        return (
            f"{self._at_least}{dollars(month)} per month at {self.ceiling_capacity} capacity is more than "
            f"cost.ceiling_per_month, {dollars(self.ceiling)}"
        )

    def raise_for_ceiling(self, file: str) -> None:
        """Raise if the estimate exceeds the ceiling.

        Args:
            file: the environment file.

        Raises:
            PolicyViolationError: it does.
        """
        if self.violation:
            remedy = "lower the capacity, or raise cost.ceiling_per_month"
            raise PolicyViolationError(self.violation, where=file, remedy=remedy)

    def headline(self) -> str:
        """The sums in one line."""
        low, high = self.per_hour("minimum"), self.per_hour("maximum")
        month = dollars(low * HOURS_PER_MONTH)
        region = f"per month on AWS ({self.region})"
        if high <= low:
            return f"{self._at_least}{month} {region}"
        most = dollars(high * HOURS_PER_MONTH)
        return f"{self._at_least}{month} to {most} {region}, at minimum to maximum capacity"

    def as_data(self) -> dict[str, Any]:
        """For programs: US dollars per hour and month."""
        sums: dict[str, float | None] = {
            "minimum": self.per_hour("minimum"),
            "current": self.current_per_hour,
            "maximum": self.per_hour("maximum"),
        }
        return {
            "region": self.region,
            "complete": self.is_complete,
            "per_hour": sums,
            "per_month": {
                capacity: None if hour is None else hour * HOURS_PER_MONTH for capacity, hour in sums.items()
            },
            "ceiling_per_month": self.ceiling,
            "ceiling_capacity": self.ceiling_capacity,
            "above_ceiling": bool(self.violation),
            "items": [asdict(item) for item in self.items],
            "price_problem": self.price_problem,
            "current": None if self.current is None else [asdict(item) for item in self.current],
            "current_problem": self.current_problem or None,
            "tokens": [asdict(cost) for cost in self.tokens],
            "not_included": NOT_INCLUDED,
        }

    @property
    def _at_least(self) -> str:
        return "" if self.is_complete else "at least "


def estimate(environment: Environment, prices: Prices | None = None) -> Estimate:
    """Estimate the costs of an environment, as if it were on AWS.

    Args:
        environment: the environment.
        prices: by default those that are known offline.
    """
    cost = environment.cost
    prices = prices or Prices.of(environment)
    items = [
        item
        for name, model in environment.models.items()
        for item in _model(name, model, prices, cost.traffic.get(name))
    ]
    items += _api(environment, prices)
    problem = "" if prices.source is None else prices.source.problem
    return Estimate(environment.region, tuple(items), cost.ceiling_per_month, cost.ceiling_capacity, problem)


def instances(
    name: str, instance_type: str, counts: tuple[float, float], prices: Prices, note: str = ""
) -> Item:
    """The costs of instances, without their volumes.

    Args:
        name: see `label`.
        instance_type: their type.
        counts: the lowest and the highest number.
        prices: the prices of the region.
        note: follows the number, such as " on average by schedule".
    """
    low, high = counts
    price = prices.instance_hour(instance_type)
    number = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    details = f"{number} x {instance_type}{note}"
    if price is None:
        return Item(name, f"{details}, unknown price", None, None)
    unit = f"${price.dollars:g} per hour"
    return Item(name, f"{details}, {unit}", low * price.dollars, high * price.dollars, str(price))


def volumes(
    name: str, instance_type: str, size_gb: int | None, counts: tuple[float, float], prices: Prices
) -> Iterator[Item]:
    """The costs of the volumes of instances; nothing for those with local disks, which have no volume.

    Args:
        name: see `label`.
        instance_type: their type.
        size_gb: size of each; None for SageMaker's default.
        counts: the lowest and the highest number of instances.
        prices: the prices of the region.
    """
    instance = catalogue.instances().get(instance_type)
    if instance is None or instance.disk_gb:
        return
    size = size_gb or catalogue.DEFAULT_VOLUME_GB
    price = prices.unit("volume_gb_month")
    if price is None:
        yield Item(name, f"volumes of {size} GB, unknown price", None, None)
        return
    low, high = (count * size * price.dollars / HOURS_PER_MONTH for count in counts)
    details = f"volumes of {size} GB, ${price.dollars:g} per GB and month"
    yield Item(name, details, low, high, str(price))


def label(model: str, variant: str) -> str:
    """The name of a variant's costs: the model, with the variant if there are several."""
    return model if variant == ONLY_VARIANT else f"{model}/{variant}"


def dollars(amount: float) -> str:
    """ "$1,234.50"."""
    return f"${amount:,.2f}"


def _model(name: str, model: Model, prices: Prices, traffic: Traffic | None) -> Iterator[Item]:
    if model.serverless is not None:
        yield from _serverless(name, model.serverless, prices, traffic)
        return
    for variant in model.all_resolved(name):
        counts = _counts(variant, model)
        name, instance_type = label(variant.model, variant.variant), str(variant.instance_type)
        average = " on average by schedule" if variant.capacity.schedules else ""
        yield instances(name, instance_type, counts, prices, average)
        yield from volumes(name, instance_type, model.volume_size_gb, counts, prices)


def _counts(variant: ResolvedVariant, model: Model) -> tuple[float, float]:
    """The lowest and the highest number of instances, on average over the hours of schedules."""
    low, high = average_bounds(variant.capacity.min, variant.capacity.max, variant.capacity.schedules)
    scales_to_zero = model.asynchronous is not None and model.asynchronous.scale_to_zero
    return 0 if scales_to_zero else low, high


def _serverless(name: str, serverless: Serverless, prices: Prices, traffic: Traffic | None) -> Iterator[Item]:
    """The costs of requests, and of the instances that are kept warm, which are billed without requests, too.

    Requests that a warm instance serves are cheaper: the lowest cost has all of them there.
    """
    gigabytes, warm = serverless.memory_mb // 1024, serverless.provisioned_concurrency
    details = f"serverless, {gigabytes} GB"
    price = prices.unit(f"serverless_second_{gigabytes}")
    warm_price = prices.unit(f"provisioned_run_second_{gigabytes}") if warm else price
    if price is None or warm_price is None or traffic is None or traffic.seconds is None:
        missing = "unknown price" if price is None or warm_price is None else "unknown traffic"
        yield Item(name, f"{details}, {missing}", None, None, by_traffic=True)
    else:
        seconds = traffic.requests_per_day / 24 * traffic.seconds
        low, high = sorted((seconds * warm_price.dollars, seconds * price.dollars))
        yield Item(name, details, low, high, str(price), by_traffic=True)
    if warm:
        price = prices.unit(f"provisioned_second_{gigabytes}")
        hour = None if price is None else warm * 3600 * price.dollars
        unit = "unknown price" if price is None else f"${price.dollars * 3600:g} per hour"
        source = "" if price is None else str(price)
        yield Item(name, f"{warm} x {gigabytes} GB kept warm, {unit}", hour, hour, source, by_traffic=True)


def _api(environment: Environment, prices: Prices) -> Iterator[Item]:
    """Requests to the API and what each causes, as far as traffic is stated."""
    traffic = environment.cost.traffic.values()
    if not traffic:
        return
    requests = sum(item.requests_per_day for item in traffic) / 24
    gateway = environment.api.gateway
    yield _usage(
        "API Gateway", f"{requests * 24:,.0f} requests per day", requests, prices.unit("api_request")
    )
    yield _usage("Lambda", "requests of the gateway", requests, prices.unit("lambda_request"))
    duration = _duration(traffic)
    price = prices.unit(f"lambda_gb_second_{gateway.architecture}")
    seconds = None if duration is None else duration * gateway.memory_mb / 1024
    yield _usage("Lambda", f"duration of the gateway, {gateway.memory_mb} MB", seconds, price)
    yield _usage("CloudWatch Logs", "log lines of requests", requests * LOG_GB, prices.unit("log_gb"))
    if environment.api.has_budgets:
        writes = requests * BUDGET_WRITES
        yield _usage("DynamoDB", "updates of budgets", writes, prices.unit("dynamodb_write"))


def _duration(traffic: Iterable[Traffic]) -> float | None:
    """Seconds of all requests in an hour; None if that of one model is unknown."""
    seconds = 0.0
    for item in traffic:
        if item.seconds is None:
            return None
        seconds += item.requests_per_day / 24 * item.seconds
    return seconds


def _usage(name: str, details: str, quantity: float | None, price: Price | None) -> Item:
    if quantity is None or price is None:
        missing = "unknown price" if price is None else "unknown"
        return Item(name, f"{details}, {missing}", None, None, by_traffic=True)
    hour = quantity * price.dollars
    return Item(name, details, hour, hour, str(price), by_traffic=True)
