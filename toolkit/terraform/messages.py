"""Terraform's machine-readable output: one JSON object per line, each with a `type`.

Newer versions add types and members, so no other member is assumed.
"""

from __future__ import annotations

from typing import Any

from toolkit import documents

Event = dict[str, Any]


def parse(line: str) -> Event | None:
    """Parse one line of output; None if it is plain text."""
    if not line.startswith("{"):
        return None
    try:
        event = documents.parse(line, dict[str, Any])
    except documents.DamagedError:
        return None
    return event if word(event, "type") else None


def member(event: Event, name: str) -> Event:
    """An object member of an event; empty if it is missing or not an object."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def word(event: Event, name: str) -> str:
    """A string member of an event; empty if it is missing or not a string."""
    value = event.get(name)
    return value if isinstance(value, str) else ""
