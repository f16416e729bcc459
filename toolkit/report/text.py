"""A summary as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.gate import text as policy_text
from toolkit.report.changes import Change
from toolkit.report.differences import Difference
from toolkit.report.summary import Part, Summary

# `plan` and `apply` have no --fail-at: the environment file sets it.
REST = "run `toolkit plan --json` to list them"
SIGNS = {
    "create": "+",
    "update": "~",
    "replace": "±",
    "destroy": "-",
    "adopt": "←",
    "move": "→",
    "forget": "o",
}


def render(summary: Summary) -> str:
    """Render destructive changes first, then changes by part, drift and policy findings."""
    return "\n".join(_lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    subject = summary.subject
    yield f"{subject.environment} (account {subject.account_id}, {subject.region}): {summary.headline}"
    if summary.destructive_changes:
        yield ""
        yield "DESTRUCTIVE CHANGES"
        for text, change in summary.destructive_changes:
            yield f"  ! {text}"
            yield f"      {change.address}"
    if summary.warnings:
        yield ""
        yield from (f"warning: {text}" for text in summary.warnings)
    if summary.costs:
        yield ""
        yield "costs (`toolkit cost`)"
        yield from (f"  {text}" for text in summary.costs)
    for part in summary.parts:
        yield ""
        yield from _part(part)
    if summary.drift:
        yield ""
        yield "changed outside of Terraform since the last apply"
        for change in summary.drift:
            yield from change_lines(change)
    if summary.policy is not None:
        yield ""
        yield policy_text.render(summary.policy, REST)


def _part(part: Part) -> Iterator[str]:
    yield part.name
    yield from (f"  • {text}" for text in part.consequences)
    for change in part.changes:
        yield from change_lines(change)


def change_lines(change: Change) -> Iterator[str]:
    """A change, with its reason and the attributes that change."""
    yield f"  {SIGNS[change.action]} {headline(change)}"
    if change.reason:
        yield f"      why: {change.reason}"
    yield from (f"      {difference_line(difference)}" for difference in change.differences)


def headline(change: Change) -> str:
    """ "endpoint llm-dev-qwen3 (module.endpoint…)"."""
    renamed = f"{change.old_name} → " if change.old_name else ""
    return f"{change.kind} {renamed}{change.name} ({change.address})"


def difference_line(difference: Difference) -> str:
    """ "memory_size: 512 → 1024"."""
    forced = " (forces replacement)" if difference.forces_replacement else ""
    return f"{difference.path}: {difference.old or 'unset'} → {difference.new or 'unset'}{forced}"
