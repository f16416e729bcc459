"""DynamoDB, extended: atomic updates, and sums of decimal numbers."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler


def extend() -> None:
    """Extend moto in this process."""
    _update_atomically()
    DynamoType.__add__ = _sum  # type: ignore[method-assign]


def _update_atomically() -> None:
    """Check the condition and change the item in one step; moto's requests run in threads.

    AWS: "Updates to items are atomic" and "conditional writes" (developer guide, "Working with items").
    """
    lock, update_item = threading.Lock(), DynamoHandler.update_item

    def update_alone(self: DynamoHandler) -> Any:
        with lock:
            return update_item(self)

    DynamoHandler.update_item = update_alone  # type: ignore[method-assign]


def _sum(self: DynamoType, other: DynamoType) -> DynamoType:
    """The sum of two numbers, which moto cannot read if it writes them with an exponent."""
    return DynamoType({"N": f"{Decimal(self.value) + Decimal(other.value):f}"})
