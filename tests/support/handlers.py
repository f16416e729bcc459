"""Handlers of boto3 clients that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def handling(
    client: Any, event: str, handler: Callable[..., object], *, last: bool = False
) -> Iterator[None]:
    """Call a handler for an event of a client, and remove it again: later tests use the same client."""
    register = client.meta.events.register_last if last else client.meta.events.register
    register(event, handler)
    try:
        yield
    finally:
        client.meta.events.unregister(event, handler)
