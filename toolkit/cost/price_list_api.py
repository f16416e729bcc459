"""Prices from the Price List API (`pricing:GetProducts`), each read when it is needed first.

They are kept for a day in the user's cache. No command depends on them: without them, the table has prices.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import documents
from toolkit.aws import errors
from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.cost import price_list
from toolkit.cost.prices import Price, Prices
from toolkit.environment import Environment
from toolkit.files import write_atomic
from toolkit.project import cache_dir

# Of a query; a family of products has some dozens in a region.
_MAX_PRODUCTS = 500


class Cached(documents.OpenDict):
    """Prices that an endpoint had on a day, by name; null for those that the API does not have."""

    day: str
    endpoint: NotRequired[str]
    prices: dict[str, Price | None]


class PriceList:
    """The Price List of one region.

    Attributes:
        problem: why no price was read; empty if none failed. A failure ends further attempts.
    """

    def __init__(self, access: AwsAccess) -> None:
        self.problem = ""
        self._access = access
        self._lock = threading.Lock()
        # Never for an embedded cloud, whose prices are not AWS's.
        self._file = None if access.endpoint_url else cache_dir() / "prices" / f"{access.region}.json"
        # AWS_ENDPOINT_URL can lead to an emulator, whose prices must not stay.
        self._endpoint = str(access.pricing.meta.endpoint_url)
        self._prices = _cached(self._file, self._endpoint)

    def prefetch(self, names: Iterable[str]) -> None:
        """Read several prices at a time."""
        map_concurrently(self.price, set(names))

    def price(self, name: str) -> Price | None:
        """See `Source`."""
        query = price_list.query(self._access.region, name)
        if name not in self._prices and query is not None and not self.problem:
            try:
                self._read(name, query)
            except (ClientError, BotoCoreError, documents.DamagedError) as error:
                explained = errors.explain(error)
                self.problem = explained.message if explained is not None else str(error)
        return self._prices.get(name)

    def _read(self, name: str, query: dict[str, object]) -> None:
        if self._access.partition != "aws":
            self.problem = f"it has no prices in US dollars for the partition {self._access.partition}"
            return
        pages = self._access.pricing.get_paginator("get_products").paginate(
            **query, PaginationConfig={"MaxItems": _MAX_PRODUCTS}
        )
        items = [documents.parse(text, price_list.Item) for page in pages for text in _products(page)]
        date = max((item.get("publicationDate", "")[:10] for item in items), default="")
        source = (
            "AWS Price List API" if self._access.endpoint_url is None else "the embedded cloud's Price List"
        )
        with self._lock:
            self._prices[name] = None
            for key, dollars in price_list.prices(items).items():
                self._prices[key] = Price(dollars, source, date)
            if self._file is not None:
                prices = {key: price and asdict(price) for key, price in self._prices.items()}
                # The next command reads them again.
                with contextlib.suppress(OSError):
                    content = {"day": _today(), "endpoint": self._endpoint, "prices": prices}
                    write_atomic(self._file, json.dumps(content))


def of_environment(
    environment: Environment, access: AwsAccess, estimate: Callable[[Environment, Prices], object]
) -> Prices:
    """The prices of an environment, with those that an estimate needs already read."""
    needed = _Names()
    estimate(environment, Prices.of(environment, needed))
    source = PriceList(access)
    source.prefetch(needed.names)
    return Prices.of(environment, source)


class _Names:
    """A source that has no price, and notes the names that it is asked for."""

    problem = ""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def price(self, name: str) -> Price | None:
        self.names.add(name)
        return None


def _products(page: Mapping[str, Any]) -> list[str]:
    """The products of a response; botocore also accepts one that is not JSON, without members."""
    if "PriceList" not in page:
        raise documents.DamagedError("the response has no prices, and may be that of a proxy")
    return list(page["PriceList"])


def _cached(file: Path | None, endpoint: str) -> dict[str, Price | None]:
    if file is None:
        return {}
    try:
        cached = documents.parse(documents.load(file), Cached)
    except (OSError, documents.DamagedError):
        # There is none, or it cannot be read: ask AWS.
        return {}
    is_current = (cached["day"], cached.get("endpoint")) == (_today(), endpoint)
    return dict(cached["prices"]) if is_current else {}


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
