"""The files through which commands and the running cloud find each other, in `build/.cloud/`."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from toolkit.files import write_atomic
from toolkit.project import Project


@dataclass(frozen=True)
class Record:
    """What a started cloud writes down once it listens.

    Attributes:
        port: on 127.0.0.1; kept after the cloud ends, so that the next one has the same address.
        pid: the cloud's process.
        instance_id: what the cloud at that port must answer to be this one.
        code_version: of the toolkit's code that it runs.
        time_scale: see `toolkit.local.timescale`.
    """

    port: int
    pid: int
    instance_id: str
    code_version: str
    time_scale: float

    @property
    def endpoint_url(self) -> str:
        """The cloud's address."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Folder:
    """The cloud's folder in a checkout."""

    path: Path

    @classmethod
    def of(cls, project: Project) -> Folder:
        """The folder of a project's cloud; it may not exist."""
        return cls(project.local_cloud)

    @property
    def log(self) -> Path:
        """The cloud's own output."""
        return self.path / "cloud.log"

    @property
    def lock(self) -> Path:
        """Locked while a command starts or stops the cloud."""
        return self.path / "lock"

    @property
    def _record(self) -> Path:
        return self.path / "cloud.json"

    def read(self) -> Record | None:
        """The cloud that was started last; it may have ended since."""
        try:
            return Record(**json.loads(self._record.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # Written by another version of the toolkit; worth no more than no record.
            return None

    def write(self, record: Record) -> None:
        """Replace the record."""
        write_atomic(self._record, json.dumps(asdict(record)))


def code_version() -> str:
    """A digest of what determines how the cloud behaves: its code, its locked packages, its Python."""
    package = Path(__file__).parent
    digest = hashlib.sha256(f"{sys.prefix} {sys.version}".encode())
    lock = package.parent.parent / "requirements" / "local.txt"
    files = sorted(package.rglob("*.py")) + ([lock] if lock.is_file() else [])
    for file in files:
        digest.update(str(file.relative_to(package.parent.parent)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
