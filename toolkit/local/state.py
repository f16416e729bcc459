"""The files in `build/.cloud/` through which commands find the running cloud."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from toolkit import documents
from toolkit.errors import PreflightError
from toolkit.files import write_atomic
from toolkit.local.signature import ROOT_ACCESS_KEY
from toolkit.project import Project, own_code


@dataclass(frozen=True)
class Record:
    """A cloud's record, written once it listens.

    Attributes:
        port: on 127.0.0.1; the next cloud reuses it, so that the address stays the same.
        instance_id: identifies the cloud at that port.
        code_version: see `code_version`.
        time_scale: see `toolkit.local.timescale`.
    """

    port: Annotated[int, Field(gt=0, lt=2**16)]
    pid: Annotated[int, Field(gt=0, lt=2**31)]
    instance_id: str
    code_version: str
    time_scale: float

    @property
    def endpoint_url(self) -> str:
        """The value for `AWS_ENDPOINT_URL`."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Folder:
    """The cloud's folder in a checkout."""

    path: Path

    @classmethod
    def of(cls, project: Project) -> Folder:
        """The folder of a project's cloud, which may not exist."""
        return cls(project.local_cloud)

    @property
    def log(self) -> Path:
        """Output of the cloud's process."""
        return self.path / "cloud.log"

    @property
    def lock(self) -> Path:
        """Locked while a command starts or stops the cloud."""
        return self.path / "lock"

    @property
    def credentials(self) -> Path:
        """The access key of the running cloud's root user, in the format of AWS's credentials files."""
        return self.path / "credentials"

    def make_private(self) -> None:
        """Create the folder if it does not exist; only its owner may enter it.

        Raises:
            PreflightError: it belongs to another user, who could read and replace its files.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.stat().st_uid != os.getuid():
            raise PreflightError(
                "the folder of the embedded cloud belongs to another user",
                where=str(self.path),
                remedy="delete it, or work in another checkout",
            )
        self.path.chmod(0o700)

    def write_secret(self, secret: str) -> None:
        """Keep the secret of the root user's access key, readable by its owner only."""
        content = f"[default]\naws_access_key_id = {ROOT_ACCESS_KEY}\naws_secret_access_key = {secret}\n"
        write_atomic(self.credentials, content, mode=0o600)

    def read_secret(self) -> str:
        """The secret of the last cloud; empty if it left none."""
        try:
            return self.credentials.read_text(encoding="utf-8", errors="replace").rpartition("=")[2].strip()
        except FileNotFoundError:
            return ""

    @property
    def _record(self) -> Path:
        return self.path / "cloud.json"

    def read(self) -> Record | None:
        """The record of the last cloud, which may have stopped; None if there is none."""
        try:
            return documents.parse(documents.load(self._record), Record)
        except FileNotFoundError:
            return None
        except documents.DamagedError:
            # Another version of the toolkit wrote it.
            return None

    def write(self, record: Record) -> None:
        """Replace the record."""
        write_atomic(self._record, json.dumps(asdict(record)))


def code_version() -> str:
    """A digest of the cloud's code, locked packages and Python version."""
    package = Path(__file__).parent
    digest = hashlib.sha256(f"{sys.prefix} {sys.version}".encode())
    lock = own_code() / "requirements" / "local.txt"
    files = sorted(package.rglob("*.py")) + ([lock] if lock.is_file() else [])
    for file in files:
        digest.update(str(file.relative_to(package.parent.parent)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
