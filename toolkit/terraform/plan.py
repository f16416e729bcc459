"""Saved plans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit import documents
from toolkit.errors import TerraformError
from toolkit.terraform.transcript import Change, Counts


@dataclass(frozen=True)
class _Version:
    """The version of a state; a plan for a new state has none."""

    lineage: str = ""
    serial: int = 0


@dataclass(frozen=True)
class Plan:
    """A saved plan.

    Attributes:
        path: the plan file.
        has_changes: whether it changes anything, including only outputs.
        destroy: whether it destroys the stack.
        counts: resources to add, change, remove and import.
        changes: changes per resource, without data sources read during the apply.
        drift: changes made outside Terraform.
    """

    path: Path
    has_changes: bool
    destroy: bool
    counts: Counts
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]

    def state_version(self) -> tuple[str, int]:
        """Lineage and serial of the state it is based on.

        Raises:
            TerraformError: the plan file is damaged.
        """
        error = TerraformError("cannot read Terraform's plan", where=str(self.path), remedy="plan again")
        try:
            with documents.archive(self.path.read_bytes()) as archive, documents.member("tfstate"):
                state = documents.parse(archive.read("tfstate"), _Version)
        except documents.DamagedError as damage:
            error.details = (str(damage),)
            raise error from None
        return state.lineage, state.serial

    def summary(self) -> str:
        """One line in Terraform's wording."""
        if not self.has_changes:
            return "no changes"
        counts = self.counts
        imported = f"{counts.imported} to import, " if counts.imported else ""
        return f"{imported}{counts.add} to add, {counts.change} to change, {counts.remove} to destroy"
