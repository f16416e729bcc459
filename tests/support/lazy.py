"""Packages that take a second to import: every worker imports every test file, but runs only some of them."""

from __future__ import annotations

import importlib
from typing import Any


class _Package:
    # Not importlib.util.LazyLoader: pytest asks every name of a test file for private members.
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, member: str) -> Any:
        if member.startswith("_"):
            raise AttributeError(member)
        return getattr(importlib.import_module(self._name), member)


def lazy(name: str) -> Any:
    """Return a package that is imported when one of its members is used."""
    return _Package(name)
