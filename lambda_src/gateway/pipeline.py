"""Stages that convert a response while it arrives, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Protocol


class Stage(Protocol):
    """Converts items one by one; knows nothing of where they come from or when."""

    def feed(self, item: Any) -> Iterable[Any]:
        """The results of `item`, at once."""

    def end(self) -> Iterable[Any]:
        """The results of the end of the items."""


class Pipeline:
    """Stages, each of which converts the results of the one before; itself a stage.

    Iterating the results runs the stages: if one of them raises an error, the results before it have come.
    """

    def __init__(self, *stages: Stage) -> None:
        self._stages = stages

    def feed(self, item: Any) -> Iterable[Any]:
        """The results of `item`."""
        return self._through((item,), 0)

    def end(self) -> Iterator[Any]:
        """The results of the end of the items."""
        for number, stage in enumerate(self._stages, 1):
            yield from self._through(stage.end(), number)

    def _through(self, items: Iterable[Any], first: int) -> Iterable[Any]:
        for stage in self._stages[first:]:
            items = chain.from_iterable(map(stage.feed, items))
        return items
