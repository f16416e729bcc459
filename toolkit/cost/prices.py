"""Prices of AWS in US dollars, without discounts and tax.

Each comes from the environment file, or else from the Price List API if the command asks AWS, or else
from the dated table in `prices.json`, which `python -m toolkit.cost.update_prices` generates. Any other is
unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from toolkit.environment import Environment


@dataclass(frozen=True)
class Price:
    """A price.

    Attributes:
        dollars: US dollars per unit.
        source: where it comes from.
        date: day on which the source was published or read, ISO 8601.
    """

    dollars: float
    source: str
    date: str

    def __str__(self) -> str:
        """Source and date."""
        return f"{self.source}, {self.date}" if self.date else self.source


class Source(Protocol):
    """Prices that precede the table."""

    @property
    def problem(self) -> str:
        """Why it has no prices; empty if it has."""

    def price(self, name: str) -> Price | None:
        """A price by its name; None if it is unknown."""


@dataclass(frozen=True)
class Prices:
    """The prices of one region.

    Attributes:
        region: AWS region.
        own: prices of an instance and hour, by instance type, from the environment file.
        source: precedes the table; None for the table alone.
    """

    region: str
    own: Mapping[str, float] = field(default_factory=dict)
    source: Source | None = None

    @classmethod
    def of(cls, environment: Environment, source: Source | None = None) -> Prices:
        """The prices of an environment, without a source those that are known offline."""
        return cls(environment.region, environment.cost.instance_prices, source)

    def instance_hour(self, instance_type: str) -> Price | None:
        """Price of an instance of an endpoint and hour; None if it is unknown.

        Asynchronous endpoints cost the same: the Price List has equal figures for `Host` and `AsyncInf`.
        """
        if instance_type in self.own:
            return Price(self.own[instance_type], "cost.instance_prices", "")
        return self.unit(instance_type)

    def unit(self, name: str) -> Price | None:
        """A price by its name in `toolkit.cost.price_list`; None if it is unknown."""
        price = None if self.source is None else self.source.price(name)
        return price or _table(self.region).get(name)


@cache
def _table(region: str) -> Mapping[str, Price]:
    table: dict[str, Any] = json.loads((Path(__file__).parent / "prices.json").read_text(encoding="utf-8"))
    return {
        name: Price(dollars, table["sources"][source]["name"], table["sources"][source]["date"])
        for name, (dollars, source) in table["regions"].get(region, {}).items()
    }
