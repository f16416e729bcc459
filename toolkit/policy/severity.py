"""How grave a finding is."""

from __future__ import annotations

from enum import IntEnum

from toolkit.errors import InputError


class Severity(IntEnum):
    """Comparable; in words, as users write it."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Severity:
        """The severity that is called `text`, in whatever case.

        Raises:
            InputError: there is none.
        """
        try:
            return cls[text.upper()]
        except KeyError:
            raise InputError(
                f"{text!r} is not a severity", remedy=f"choose one of {', '.join(map(str, cls))}"
            ) from None
