"""The members of a saved plan, read as untrusted input.

A plan file passes through a pipeline's artifact store. It is untrusted until its manifest is validated
and its members are those of the format.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from toolkit import documents
from toolkit.errors import PLAN_AGAIN, InputError, StateError
from toolkit.files import require_file
from toolkit.packaging import FUNCTIONS, package_name
from toolkit.terraform import Change, Counts

FORMAT: Final = 1
MANIFEST, PLAN, VARIABLES, PACKAGES = "manifest.json", "terraform.tfplan", "inference.tfvars", "packages/"
# Bytes; Lambda accepts uploaded packages of at most 50 MB.
LARGEST_MEMBER = 128 * 2**20
LARGEST_FILE = 4 * LARGEST_MEMBER

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class StateVersion(_Part):
    """The state that a plan starts from."""

    lineage: str
    serial: Count


class _Versioned(BaseModel):
    """The part that every version of the format has."""

    format: int


class Manifest(_Part):
    """The subject and inputs of a plan, and digests of the other members."""

    format: Literal[1]
    subject: dict[str, str]
    created_at: Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d\d){2}T\d\d(:\d\d){2}\+00:00$")]
    uncommitted: bool
    action: Annotated[str, StringConstraints(pattern="^apply$")]
    has_changes: bool
    counts: Counts
    changes: list[Change]
    instance_counts: dict[str, dict[str, Count]]
    rolls_out: bool
    state: StateVersion
    inputs: dict[str, str]
    contents: dict[str, Sha256]

    @model_validator(mode="after")
    def _known_members(self) -> Self:
        packages = {self._package(function) for function in FUNCTIONS if self._package(function)}
        if self.contents.keys() != {PLAN, VARIABLES, *packages} or len(packages) != len(FUNCTIONS):
            raise ValueError("unknown or missing members")
        return self

    def package_digest(self, function: str) -> str:
        """SHA-256 of a function's package, hexadecimal."""
        return self.contents[self._package(function)]

    def _package(self, function: str) -> str:
        """The member that holds a function's package, named after its digest; empty if there is none."""
        members = self.contents.items()
        return next(
            (name for name, sha256 in members if name == PACKAGES + package_name(function, sha256)), ""
        )


def read(path: Path, location: str) -> tuple[Manifest, dict[str, bytes]]:
    """Read a saved plan and verify the digest of each member.

    Args:
        path: the plan file.
        location: the same file, for messages.

    Raises:
        InputError: there is no such file, `toolkit plan` did not create it, or it was changed.
        StateError: another version of the toolkit created it.
    """
    require_file(path, "read the plan", location, "create it with `toolkit plan`")
    foreign = InputError("not a plan file created by `toolkit plan`", where=location, remedy=PLAN_AGAIN)
    if path.stat().st_size > LARGEST_FILE:
        raise foreign
    packed = path.read_bytes()
    try:
        with documents.archive(packed) as archive:
            text = _member(archive, MANIFEST)
            with documents.member(MANIFEST):
                if documents.parse(text, _Versioned).format != FORMAT:
                    raise StateError(
                        "the plan was created by another version of the toolkit",
                        where=location,
                        remedy=PLAN_AGAIN,
                    )
                manifest = documents.parse(text, Manifest)
            # Exactly these members, each once, under exactly these names.
            if sorted(archive.namelist()) != sorted([MANIFEST, *manifest.contents]):
                raise foreign
            contents = {name: _member(archive, name) for name in manifest.contents}
            with documents.member(VARIABLES):
                documents.decode(contents[VARIABLES])
    except documents.DamagedError as damage:
        foreign.details = (str(damage),)
        raise foreign from None
    changed = [
        name
        for name, sha256 in manifest.contents.items()
        if hashlib.sha256(contents[name]).hexdigest() != sha256
    ]
    if changed:
        raise InputError(
            f"the plan file was changed: {', '.join(changed)}", where=location, remedy=PLAN_AGAIN
        )
    return manifest, contents


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's content; raises DamagedError unless it is a stored, regular file of acceptable size.

    `save` stores members without compression. So no member is larger than the file, whatever its header says.
    """
    info = archive.getinfo(name)
    is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    if not is_file or info.compress_type != zipfile.ZIP_STORED or info.file_size > LARGEST_MEMBER:
        raise documents.DamagedError(f"{name}: not a stored file, or too large")
    return archive.read(info)
