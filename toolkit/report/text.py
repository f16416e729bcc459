"""A summary for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.gate import text as policy_text
from toolkit.report.changes import Change
from toolkit.report.summary import Part, Summary
from toolkit.report.values import Difference

# `plan` and `apply` take their threshold from the environment file.
REST = "`toolkit plan --json` has them"
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
    """Dangers first, then what changes by part, then the policies' verdict."""
    return "\n".join(_lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    subject = summary.subject
    yield f"{subject.environment} (account {subject.account_id}, {subject.region}): {summary.headline}"
    if summary.dangers:
        yield ""
        yield "DANGER"
        for text, change in summary.dangers:
            yield f"  ! {text}"
            yield f"      {change.address}"
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
    """A change and what differs in it."""
    yield f"  {SIGNS[change.action]} {headline(change)}"
    if change.reason:
        yield f"      why: {change.reason}"
    yield from (f"      {difference_line(each)}" for each in change.differences)


def headline(change: Change) -> str:
    """ "endpoint llm-dev-qwen3 (module.endpoint…)"."""
    renamed = f"{change.old_name} → " if change.old_name else ""
    return f"{change.kind} {renamed}{change.name} ({change.address})"


def difference_line(difference: Difference) -> str:
    """ "memory_size: 512 → 1024"."""
    forced = " (cannot be changed in place)" if difference.forces_replacement else ""
    return f"{difference.path}: {difference.old or 'unset'} → {difference.new or 'unset'}{forced}"
