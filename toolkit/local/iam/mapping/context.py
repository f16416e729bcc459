"""The condition keys of one check, found when a policy asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.local.iam.mapping import keys
from toolkit.local.iam.mapping.keys import Situation, Values


class RequestContext:
    """Implements `toolkit.local.iam.patterns.Context` and remembers what it was asked.

    Args:
        situation: what is checked.
        known: keys whose values are known from the start.
    """

    def __init__(self, situation: Situation, known: Mapping[str, Values]) -> None:
        self._situation = situation
        given = {**known, **situation.check.keys}
        self._values: dict[str, Values | None] = {name.lower(): values for name, values in given.items()}
        self._names = {name.lower(): name for name in given}

    def values(self, key: str) -> Values | None:
        """The values of a key, None if the request does not have it.

        Raises:
            PolicyError: it may have it, but its value is not known here.
        """
        lowered = key.lower()
        if lowered not in self._values:
            self._values[lowered] = keys.find(lowered, self._situation)
            self._names[lowered] = key
        return self._values[lowered]

    def record(self) -> dict[str, list[str]]:
        """The keys that were there from the start or asked for, with their values."""
        present = {name: values for name, values in sorted(self._values.items()) if values is not None}
        return {self._names[name]: list(values) for name, values in present.items()}
