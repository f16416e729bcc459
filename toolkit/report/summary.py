"""A plan as people talk of it: by model and by part, with what it means and what is dangerous about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from toolkit.gate import Report
from toolkit.report import changes, drift, meaning
from toolkit.report.changes import Change


@dataclass(frozen=True)
class Subject:
    """What a plan is for.

    Attributes:
        environment: its name.
        account_id: the AWS account.
        region: the AWS region.
        stack: "inference" or "account".
        commit: the checkout's commit; None outside of git.
        uncommitted: whether the checkout has changes that it does not hold.
        digest: the saved plan's, hexadecimal; None if it is not saved.
    """

    environment: str
    account_id: str
    region: str
    stack: str = "inference"
    commit: str | None = None
    uncommitted: bool = False
    digest: str | None = None


@dataclass(frozen=True)
class Part:
    """What changes in one model, or in the API.

    Attributes:
        name: "model qwen3-8b", "API".
        changes: what happens to its resources.
        consequences: what that means.
    """

    name: str
    changes: tuple[Change, ...]
    consequences: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """A plan for people.

    Attributes:
        subject: what it is for.
        headline: "3 to add, 2 to change, 3 to destroy" or "no changes".
        has_changes: whether an apply does anything.
        parts: what changes where; empty if nothing does.
        dangers: what is lost or interrupted, with the resource that it is about.
        drift: what was changed outside of Terraform since the last apply.
        outputs: outputs that change.
        policy: the gate's verdict; None if nothing was judged.
    """

    subject: Subject
    headline: str
    has_changes: bool
    parts: tuple[Part, ...]
    dangers: tuple[tuple[str, Change], ...]
    drift: tuple[Change, ...]
    outputs: tuple[str, ...]
    policy: Report | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes."""
        return tuple(change for part in self.parts for change in part.changes)


def summarize(
    document: Mapping[str, Any],
    subject: Subject,
    headline: str,
    *,
    has_changes: bool,
    policy: Report | None = None,
) -> Summary:
    """The summary of a plan.

    Args:
        document: what `terraform show -json` says of it.
        subject: what it is for.
        headline: it in one line.
        has_changes: whether an apply does anything.
        policy: the gate's verdict.
    """
    found = changes.read(document)
    return Summary(
        subject=subject,
        headline=headline,
        has_changes=has_changes,
        parts=tuple(_parts(found)),
        dangers=tuple(meaning.dangers(found)),
        drift=drift.read(document),
        outputs=_outputs(document),
        policy=policy,
    )


def _parts(found: tuple[Change, ...]) -> list[Part]:
    grouped = groupby(found, key=lambda change: change.part)
    parts = [(name, tuple(group)) for name, group in grouped]
    return [Part(name, group, tuple(meaning.consequences(group))) for name, group in parts]


def _outputs(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs that change; their values are for programs."""
    all_outputs = document.get("output_changes", {})
    return tuple(name for name, change in sorted(all_outputs.items()) if change["actions"] != ["no-op"])
