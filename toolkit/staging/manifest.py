"""The manifest of complete weights, written last and outside their prefix."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from toolkit import documents


@dataclass(frozen=True)
class StoredFile:
    """A file in the model store.

    Attributes:
        name: its path below the model's prefix.
        size: bytes.
        sha256: hex digest of its content.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A record of staged weights.

    Attributes:
        model: the model's name in the environment file.
        uri: the S3 prefix of the weights.
        source: the source in the environment file.
        revision: the commit on the hub; None for local weights.
        files: all files, sorted by name.
        staged_at: UTC, ISO 8601.
        staged_by: ARN of the caller.
    """

    model: str
    uri: str
    source: dict[str, Any]
    revision: str | None
    files: tuple[StoredFile, ...]
    staged_at: str
    staged_by: str

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """Serialize it for the store."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: bytes | str) -> Manifest:
        """Parse the output of `to_json`; unknown members are ignored.

        Raises:
            DamagedError: the text is not a manifest.
        """
        return documents.parse(text, cls)
