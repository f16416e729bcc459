"""How many invocations of a function run at once, and when there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.local.functions.errors import RefusedError
from toolkit.local.functions.function import Function

# AWS's default for an account and region, which functions without a reservation share.
ACCOUNT_LIMIT = 1000


class Concurrency:
    """Counts invocations in progress."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def slot(self, function: Function) -> Iterator[int]:
        """A place for one invocation, until the block ends.

        Yields:
            How many of the function run now, this one included.

        Raises:
            RefusedError: all places are taken.
        """
        # All versions share a function's reservation.
        name = f"{function.region}:{function.name}"
        limit = function.reserved_concurrency
        if self._running[name] >= (ACCOUNT_LIMIT if limit is None else limit):
            kind = "Concurrent" if limit is None else "ReservedFunctionConcurrent"
            raise RefusedError(
                "TooManyRequestsException",
                "Rate Exceeded.",
                status=429,
                Reason=f"{kind}InvocationLimitExceeded",
            )
        self._running[name] += 1
        try:
            yield self._running[name]
        finally:
            self._running[name] -= 1
