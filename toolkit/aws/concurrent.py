"""Several AWS requests at a time, bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Fewer than botocore's ten connections per client; botocore retries what AWS throttles.
MAX_REQUESTS = 8


def map_concurrently(request: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results of a request for each item, in order.

    Raises:
        Exception: the first that a request raised; requests that have not begun are cancelled.
    """
    items = list(items)
    if len(items) < 2:
        return [request(item) for item in items]
    pool = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix="aws")
    try:
        return list(pool.map(request, items))
    finally:
        pool.shutdown(cancel_futures=True)
