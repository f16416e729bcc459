"""The copy of the package's Terraform code in a team's repository: Terraform writes into a stack's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import InputError
from toolkit.files import write_atomic
from toolkit.project import Project

STACKS = ("account", "inference")
_LOCK = ".terraform.lock.hcl"
_CODE = (".tf", ".hcl", ".json", ".yaml")


def update(project: Project) -> None:
    """Bring the copy in line with the installed package; nothing to do in a clone.

    The project's own `terraform/<stack>/*.tf` are added to the stack. Files of Terraform remain: the folder
    that reserves errored.tfstate, and a lock file to which `init` added checksums for this platform.

    Raises:
        InputError: one of the project's files has the name of the package's.
    """
    if project.is_clone:
        return
    if project.terraform.is_symlink():
        # Files are deleted there.
        raise InputError(
            "cannot copy the Terraform code: this is a symbolic link",
            where=project.relative(project.terraform),
            remedy="delete the link",
        )
    files = dict(_files(project))
    stamp = project.terraform / "package-lock.hcl"
    lock_files = "".join(content.decode() for name, content in sorted(files.items()) if name.name == _LOCK)
    current = stamp.read_text(encoding="utf-8") if stamp.is_file() else None
    for name, content in files.items():
        path = project.terraform / name
        extended = name.name == _LOCK and current == lock_files
        if not path.is_file() or (not extended and path.read_bytes() != content):
            write_atomic(path, content)
    for path in project.terraform.rglob("*"):
        name = path.relative_to(project.terraform)
        if path.is_file() and name not in files and path != stamp and path.suffix in _CODE:
            path.unlink(missing_ok=True)
    if current != lock_files:
        write_atomic(stamp, lock_files)


def _files(project: Project) -> Iterator[tuple[Path, bytes]]:
    source = project.code / "terraform"
    for folder in ("stacks", "modules"):
        for path in (source / folder).rglob("*"):
            name = path.relative_to(source)
            if path.suffix in _CODE and not {".terraform", "examples"}.intersection(name.parts):
                yield name, path.read_bytes()
    for stack in STACKS:
        for path in sorted((project.root / "terraform" / stack).glob("*.tf")):
            name = Path("stacks") / stack / path.name
            if (source / name).exists():
                raise InputError(
                    "cannot add this file to the stack: the toolkit's code has one with the same name",
                    where=project.relative(path),
                    remedy=f"rename it; {path.stem}_override.tf overrides arguments of the toolkit's blocks",
                )
            yield name, path.read_bytes()
