"""Terraform's machine-readable output: one JSON object a line, each with a `type`.

Newer versions add types and members, so nothing is taken for granted but that.
"""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]


def parse(line: str) -> Event | None:
    """One line of output as a message; None if it is plain text."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event.get("type"), str) else None


def member(event: Event, name: str) -> Event:
    """An object inside an event; empty where another version of Terraform has something else."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def word(event: Event, name: str) -> str:
    """A text inside an event; empty where there is none."""
    value = event.get(name)
    return value if isinstance(value, str) else ""
