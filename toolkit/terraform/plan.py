"""A saved plan and what is known of it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from toolkit.terraform.transcript import Change, Counts


@dataclass(frozen=True)
class Plan:
    """A saved plan.

    Attributes:
        path: the plan file.
        has_changes: whether applying it does anything, be it only to outputs.
        destroy: whether it takes the stack down.
        counts: resources to add, change, remove and import.
        changes: what happens to which resource; data sources that are read during the apply are left out.
        drift: what was found changed outside of Terraform.
    """

    path: Path
    has_changes: bool
    destroy: bool
    counts: Counts
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]

    def state_version(self) -> tuple[str, int]:
        """Lineage and serial of the state that it starts from."""
        with zipfile.ZipFile(self.path) as archive:
            state = json.loads(archive.read("tfstate"))
        return state.get("lineage", ""), state.get("serial", 0)

    def summary(self) -> str:
        """One line, in Terraform's words."""
        if not self.has_changes:
            return "no changes"
        counts = self.counts
        imported = f"{counts.imported} to import, " if counts.imported else ""
        return f"{imported}{counts.add} to add, {counts.change} to change, {counts.remove} to destroy"
