"""A summary as the comment of a pull request, on GitHub or GitLab."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from toolkit.gate import text as policy_text
from toolkit.report import text
from toolkit.report.changes import Change
from toolkit.report.summary import Part, Summary

# GitHub takes so many characters; counted in bytes, so that it holds for characters of any width.
LIMIT = 65_536
# In diffs, a line's first character gives its colour.
_DIFF = {"create": "+", "adopt": "+", "destroy": "-", "update": "!", "replace": "!"}
_LEFT_OUT = (
    "… {count} lines are left out, to stay below a comment's limit: `toolkit plan` shows all of them.\n"
)


def marker(env: str) -> str:
    """A line that nobody sees, by which the comment of an environment is found again and updated in place."""
    return f"<!-- toolkit plan: {env} -->"


def render(summary: Summary, limit: int = LIMIT) -> str:
    """Markdown of at most `limit` bytes: dangers open, all else folded; what is too long says so."""
    head = "\n".join(_head(summary))
    sections = [*map(_part, summary.parts), *_further(summary)]
    foot = _foot(summary)
    room = limit - len(f"{head}\n{foot}".encode()) - 1
    return f"{head}\n{_fitted(sections, room)}{foot}"


def _head(summary: Summary) -> Iterator[str]:
    subject = summary.subject
    yield marker(subject.environment)
    yield f"### Plan for `{subject.environment}`: {summary.headline}"
    yield ""
    yield f"Account {subject.account_id}, {subject.region}"
    if summary.dangers:
        yield ""
        yield "> [!CAUTION]"
        shown = summary.dangers[:20]
        yield from (f"> - **{_inline(sentence)}** (`{change.address}`)" for sentence, change in shown)
        if len(summary.dangers) > len(shown):
            yield f"> - and {len(summary.dangers) - len(shown)} more"
    violations = summary.policy.violations if summary.policy else ()
    if violations:
        yield ""
        count = f"{len(violations)} violation{'' if len(violations) == 1 else 's'}"
        yield f"> [!WARNING]\n> Policies forbid this: {count}, listed below."
    yield ""


Section = tuple[str, list[str], list[str]]
"""A title, lines of Markdown, and lines of code."""


def _part(part: Part) -> Section:
    count = f"{len(part.changes)} change{'' if len(part.changes) == 1 else 's'}"
    meaning = [f"- {_inline(sentence)}" for sentence in part.consequences]
    return f"{part.name}: {count}", meaning, list(_code(part.changes))


def _further(summary: Summary) -> Iterator[Section]:
    if summary.drift:
        yield "changed outside of Terraform since the last apply", [], list(_code(summary.drift))
    if summary.policy:
        yield (
            f"policies: {summary.policy.summary()}",
            [],
            policy_text.render(summary.policy, text.REST).splitlines(),
        )


def _code(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        _, *rest = text.change_lines(change)
        yield f"{_DIFF.get(change.action, ' ')} {change.action} {text.headline(change)}"
        yield from rest


def _fitted(sections: Sequence[Section], room: int) -> str:
    """As much of each section as there is room for; titles and meanings before code."""
    frames = [_frame(section, []) for section in sections]
    room -= sum(len(frame.encode()) for frame in frames)
    if room < 0:
        return _LEFT_OUT.format(count=sum(len(section[2]) for section in sections))
    written = []
    for index, section in enumerate(sections):
        frame = frames[index]
        whole = _frame(section, section[2])
        kept = len(section[2])
        while len(whole.encode()) - len(frame.encode()) > room and kept:
            kept = kept * 9 // 10
            whole = _frame(section, section[2][:kept], len(section[2]) - kept)
        # Not even one line and the note had room: the frame alone was counted.
        fits = len(whole.encode()) - len(frame.encode()) <= room
        written.append(whole if fits else frame)
        room -= len(written[-1].encode()) - len(frame.encode())
    return "".join(written)


def _frame(section: Section, code: Sequence[str], left_out: int = 0) -> str:
    title, meaning, _ = section
    lines = ["<details>", f"<summary>{html.escape(title, quote=False)}</summary>", "", *meaning, ""]
    if code:
        fence = _fence(code)
        lines += [f"{fence}diff", *code, fence, ""]
    if left_out:
        lines += [_LEFT_OUT.format(count=left_out)]
    return "\n".join([*lines, "</details>", ""])


def _fence(code: Sequence[str]) -> str:
    """Longer than any that is in the code, which it would end."""
    longest = max((len(run) for line in code for run in re.findall(r"`+", line)), default=0)
    return "`" * max(3, longest + 1)


def _foot(summary: Summary) -> str:
    subject = summary.subject
    commit = f"commit {subject.commit[:12]}" if subject.commit else "no commit"
    changes = " and uncommitted changes" if subject.uncommitted else ""
    digest = f" · plan {subject.digest[:12]}" if subject.digest else ""
    return f"\n<sub>{commit}{changes}{digest}</sub>"


def _inline(sentence: str) -> str:
    """A sentence in which nothing is taken for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", sentence)
