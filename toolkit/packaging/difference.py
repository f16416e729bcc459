"""Compare two packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit import documents


@dataclass(frozen=True)
class Difference:
    """File names by kind of change.

    Attributes:
        changed: files with changed contents.
        added: files only in the new package.
        removed: files only in the old package.
        emptied: changed Python files that are empty now.
    """

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    emptied: tuple[str, ...]

    def describe(self, limit: int = 5) -> str:
        """In one line, such as `gateway/app.py, +gateway/new.py`; long ones end with a count."""
        names = [*self.changed, *(f"+{name}" for name in self.added), *(f"-{name}" for name in self.removed)]
        more = [f"and {len(names) - limit} more"] if len(names) > limit else []
        return ", ".join(names[:limit] + more)


def difference(old: Path, new: Path) -> Difference | None:
    """Compare two zip files by their contents; None if one is damaged."""
    try:
        before, after = _contents(old), _contents(new)
    except documents.DamagedError:
        return None
    changed = tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name]))
    return Difference(
        changed=changed,
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        emptied=tuple(name for name in changed if name.endswith(".py") and after[name][1] == 0),
    )


def _contents(path: Path) -> dict[str, tuple[int, int]]:
    with documents.archive(path.read_bytes()) as archive:
        return {entry.filename: (entry.CRC, entry.file_size) for entry in archive.infolist()}
