"""A summary as a pull request comment, for GitHub and GitLab."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from toolkit.gate import text as policy_text
from toolkit.report import text
from toolkit.report.changes import Change
from toolkit.report.summary import Part, Summary

# GitHub's limit in characters. Counted in bytes here, which is never less.
LIMIT = 65_536
# The first character of a line in a diff sets its colour.
_DIFF_SIGNS = {"create": "+", "adopt": "+", "destroy": "-", "update": "!", "replace": "!"}
_OMITTED = "… {count} lines omitted, to fit the size limit of a comment: run `toolkit plan` to see them.\n"


def marker(env: str) -> str:
    """An invisible first line that identifies an environment's comment, to update it in place."""
    return f"<!-- toolkit plan: {env} -->"


def render(summary: Summary, limit: int = LIMIT) -> str:
    """Render at most `limit` bytes of Markdown: destructive changes first, all else collapsed."""
    head = "\n".join(_head(summary))
    sections = [*map(_part, summary.parts), *_appendix(summary)]
    foot = _foot(summary)
    room = limit - len(f"{head}\n{foot}".encode()) - 1
    return f"{head}\n{_truncate(sections, room)}{foot}"


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
    violations = summary.policy.violations if summary.policy else ()
    if violations:
        yield ""
        count = f"{len(violations)} violation{'' if len(violations) == 1 else 's'}"
        yield f"> [!WARNING]\n> Policy check failed: {count}, listed below."
    yield ""


Section = tuple[str, list[str], list[str]]
"""A title, lines of Markdown and lines of a diff."""


def _part(part: Part) -> Section:
    count = f"{len(part.changes)} change{'' if len(part.changes) == 1 else 's'}"
    consequences = [f"- {escape(sentence)}" for sentence in part.consequences]
    return f"{part.name}: {count}", consequences, list(_diff(part.changes))


def _appendix(summary: Summary) -> Iterator[Section]:
    if summary.drift:
        yield "changed outside of Terraform since the last apply", [], list(_diff(summary.drift))
    if summary.policy:
        yield (
            f"policies: {summary.policy.summary()}",
            [],
            policy_text.render(summary.policy, text.REST).splitlines(),
        )


def _diff(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        _, *rest = text.change_lines(change)
        action = "import" if change.action == "adopt" else change.action
        yield f"{_DIFF_SIGNS.get(change.action, ' ')} {action} {text.headline(change)}"
        yield from rest


def _truncate(sections: Sequence[Section], room: int) -> str:
    """As much of each section as fits: titles and consequences first, then diffs."""
    empty = [_details(section, []) for section in sections]
    room -= sum(len(frame.encode()) for frame in empty)
    if room < 0:
        return _OMITTED.format(count=sum(len(section[2]) for section in sections))
    rendered = []
    for section, frame in zip(sections, empty, strict=True):
        diff = section[2]
        details, line_count = _details(section, diff), len(diff)
        while len(details.encode()) - len(frame.encode()) > room and line_count:
            line_count = line_count * 9 // 10
            details = _details(section, diff[:line_count], len(diff) - line_count)
        # Without any line, the note alone may still be too long.
        fits = len(details.encode()) - len(frame.encode()) <= room
        rendered.append(details if fits else frame)
        room -= len(rendered[-1].encode()) - len(frame.encode())
    return "".join(rendered)


def _details(section: Section, diff: Sequence[str], omitted: int = 0) -> str:
    title, markdown, _ = section
    lines = ["<details>", f"<summary>{html.escape(title, quote=False)}</summary>", "", *markdown, ""]
    if diff:
        fence = _fence(diff)
        lines += [f"{fence}diff", *diff, fence, ""]
    if omitted:
        lines += [_OMITTED.format(count=omitted)]
    return "\n".join([*lines, "</details>", ""])


def _fence(lines: Sequence[str]) -> str:
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
