"""Reports as comments on a pull request, for GitHub and GitLab."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.gate import text as policy_text
from toolkit.report import text
from toolkit.report.changes import Change
from toolkit.report.summary import Part, Summary

# GitHub's limit in characters. Counted in bytes here, which is never less.
LIMIT = 65_536
# The first character of a line in a diff sets its colour.
_DIFF_SIGNS = {"create": "+", "adopt": "+", "destroy": "-", "update": "!", "replace": "!"}
_OMITTED = "… {count} lines omitted, to fit the size limit of a comment: run `{command}` to see them.\n"


@dataclass(frozen=True)
class Section:
    """A part of a comment, which is collapsed.

    Attributes:
        title: its title, as text.
        lines: lines of a diff, or of Markdown.
        before: lines of Markdown that are always shown.
        diff: whether `lines` are a diff.
        is_open: whether it is not collapsed.
    """

    title: str
    lines: Sequence[str]
    before: Sequence[str] = ()
    diff: bool = False
    is_open: bool = False


def marker(env: str) -> str:
    """An invisible first line that identifies an environment's comment, to update it in place."""
    return f"<!-- toolkit plan: {env} -->"


def render(summary: Summary, limit: int = LIMIT) -> str:
    """Render at most `limit` bytes of Markdown: destructive changes first, all else collapsed."""
    sections = [*map(_part, summary.parts), *_appendix(summary)]
    return compose(_head(summary), sections, _foot(summary), "toolkit plan", limit)


def compose(
    head: Iterable[str], sections: Sequence[Section], foot: str, command: str, limit: int = LIMIT
) -> str:
    """A comment of at most `limit` bytes: head and foot are complete, sections as far as they fit.

    Args:
        head: lines of Markdown.
        sections: the sections.
        foot: the end.
        command: prints what is omitted.
        limit: the size.
    """
    start = "\n".join(head)
    room = limit - len(f"{start}\n{foot}".encode()) - 1
    return f"{start}\n{_truncate(sections, room, command)}{foot}"


def _head(summary: Summary) -> Iterator[str]:
    subject = summary.subject
    yield marker(subject.environment)
    yield f"### Plan for `{subject.environment}`: {summary.headline}"
    yield ""
    yield f"Account {subject.account_id}, {subject.region}"
    if summary.destructive_changes:
        yield ""
        yield "> [!CAUTION]"
        shown = summary.destructive_changes[:20]
        yield from (f"> - **{escape(sentence)}** (`{change.address}`)" for sentence, change in shown)
        if len(summary.destructive_changes) > len(shown):
            yield f"> - and {len(summary.destructive_changes) - len(shown)} more"
    if summary.warnings:
        yield ""
        yield "> [!WARNING]"
        yield from (f"> - {escape(sentence)}" for sentence in summary.warnings[:20])
    if summary.costs:
        yield ""
        yield "Costs:"
        yield ""
        yield from (f"- {escape(sentence)}" for sentence in summary.costs[:20])
    violations = summary.policy.violations if summary.policy else ()
    if violations:
        yield ""
        count = f"{len(violations)} violation{'' if len(violations) == 1 else 's'}"
        yield f"> [!WARNING]\n> Policy check failed: {count}, listed below."
    yield ""


def _part(part: Part) -> Section:
    count = f"{len(part.changes)} change{'' if len(part.changes) == 1 else 's'}"
    consequences = [f"- {escape(sentence)}" for sentence in part.consequences]
    return Section(f"{part.name}: {count}", list(diff(part.changes)), consequences, diff=True)


def _appendix(summary: Summary) -> Iterator[Section]:
    if summary.drift:
        title = "changed outside of Terraform since the last apply"
        yield Section(title, list(diff(summary.drift)), diff=True)
    if summary.policy:
        lines = policy_text.render(summary.policy, text.REST).splitlines()
        yield Section(f"policies: {summary.policy.summary()}", lines, diff=True)


def diff(changes: Iterable[Change]) -> Iterator[str]:
    """Changes as lines of a diff."""
    for change in changes:
        _, *rest = text.change_lines(change)
        action = "import" if change.action == "adopt" else change.action
        yield f"{_DIFF_SIGNS.get(change.action, ' ')} {action} {text.headline(change)}"
        yield from rest


def _truncate(sections: Sequence[Section], room: int, command: str) -> str:
    """As much of each section as fits: titles and consequences first, then the lines."""
    empty = [_details(section, []) for section in sections]
    room -= sum(len(frame.encode()) for frame in empty)
    if room < 0:
        return _OMITTED.format(count=sum(len(section.lines) for section in sections), command=command)
    rendered = []
    for section, frame in zip(sections, empty, strict=True):
        details, line_count = _details(section, section.lines), len(section.lines)
        while len(details.encode()) - len(frame.encode()) > room and line_count:
            line_count = line_count * 9 // 10
            note = _OMITTED.format(count=len(section.lines) - line_count, command=command)
            details = _details(section, section.lines[:line_count], note)
        # Without any line, the note alone may still be too long.
        fits = len(details.encode()) - len(frame.encode()) <= room
        rendered.append(details if fits else frame)
        room -= len(rendered[-1].encode()) - len(frame.encode())
    return "".join(rendered)


def _details(section: Section, shown: Sequence[str], note: str = "") -> str:
    opening = "<details open>" if section.is_open else "<details>"
    lines = [
        opening,
        f"<summary>{html.escape(section.title, quote=False)}</summary>",
        "",
        *section.before,
        "",
    ]
    if shown:
        marks = fence(shown)
        lines += [f"{marks}diff", *shown, marks, ""] if section.diff else [*shown, ""]
    if note:
        lines += [note]
    return "\n".join([*lines, "</details>", ""])


def fence(lines: Sequence[str]) -> str:
    """A fence longer than any run of backticks in the lines, which would close it."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    return "`" * max(3, longest + 1)


def _foot(summary: Summary) -> str:
    subject = summary.subject
    commit = f"commit {subject.commit[:12]}" if subject.commit else "no commit"
    changes = " and uncommitted changes" if subject.uncommitted else ""
    digest = f" · plan {subject.digest[:12]}" if subject.digest else ""
    return f"\n<sub>{commit}{changes}{digest}</sub>"


def escape(sentence: str) -> str:
    """Escape Markdown and HTML in a sentence."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", sentence)
