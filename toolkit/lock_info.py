"""The holder of a Terraform state lock, from the lock object in S3 or from Terraform's error text."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit import documents

# Terraform and OpenTofu identify locks by UUIDs.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# Longer texts are not Terraform's.
_MAX_CHARACTERS = 200


@dataclass(frozen=True)
class LockInfo:
    """A held state lock, with Terraform's names for its fields.

    Attributes:
        id: lock ID; empty if Terraform did not write the lock.
        who: user@host.
        operation: "apply", "plan", …
        created: when the lock was acquired, UTC.
    """

    id: str
    who: str
    operation: str
    created: str

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> LockInfo:
        """Read the fields ID, Who, Operation and Created; fields of other types count as missing."""
        texts = {
            name: value[:_MAX_CHARACTERS]
            for name, value in fields.items()
            if value and isinstance(value, str)
        }
        identifier = texts.get("ID", "")
        return cls(
            id=identifier if _UUID.fullmatch(identifier) else "",
            who=texts.get("Who", "an unknown user"),
            operation=texts.get("Operation", "").removeprefix("OperationType").lower() or "unknown operation",
            created=re.sub(r"\.\d+ \+0000", "", texts.get("Created", "an unknown time")),
        )

    @classmethod
    def from_json(cls, content: bytes) -> LockInfo:
        """Read a lock object; its ID is empty if the content is not a lock."""
        try:
            return cls.from_fields(documents.parse(content, dict[str, Any]))
        except documents.DamagedError:
            return cls.from_fields({})

    def __str__(self) -> str:
        return f"locked by {self.who} since {self.created} ({self.operation})"

    @property
    def is_of_this_machine(self) -> bool:
        """Whether this machine acquired the lock, judging by its host name."""
        return self.who.rpartition("@")[2] == socket.gethostname()
