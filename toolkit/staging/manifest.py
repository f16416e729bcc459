"""The record that a model's weights are all there: written last, outside of their prefix."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


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
    """What was staged.

    Attributes:
        model: the model's name in the environment file.
        uri: the S3 prefix it lies under.
        source: the source as the environment file has it.
        revision: the commit of the hub's repository; None for weights of the operator's machine.
        files: all files, by name.
        staged_at: UTC, ISO 8601.
        staged_by: ARN of who staged it.
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
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote; what a later version added is left out.

        Raises:
            ValueError: the text is no manifest.
        """
        try:
            data = json.loads(text)
            known = {name: data[name] for name in cls.__dataclass_fields__}
            known["files"] = tuple(
                StoredFile(item["name"], item["size"], item["sha256"]) for item in data["files"]
            )
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no manifest: {error!r}") from error
