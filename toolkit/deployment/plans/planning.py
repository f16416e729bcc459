"""`toolkit plan`: a plan that is judged, saved with what it was made of, and told in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.deployment import inference
from toolkit.deployment.context import Context
from toolkit.deployment.locks import locking
from toolkit.deployment.plans import planfile, review
from toolkit.report import Summary, data, html, markdown, text

# How a summary is told, by the name that options and files have.
FORMATS: dict[str, Callable[[Summary], str]] = {
    "text": text.render,
    "json": lambda summary: json.dumps(data.render(summary), indent=2),
    "markdown": markdown.render,
    "html": html.render,
}
# Beside the plan, so that a pipeline that plans once has them all.
_FILES = {"json": ".json", "markdown": ".md", "html": ".html"}


@dataclass(frozen=True)
class Outcome:
    """What came of planning.

    Attributes:
        summary: the plan, told and judged.
        path: where it is saved; None if the policies forbid it.
    """

    summary: Summary
    path: Path | None


def plan(context: Context) -> Outcome:
    """Plan an environment and save the plan, unless the policies forbid it."""
    path = planfile.default_path(context)
    with locking.exclusive(context):
        # What was planned before is not to be applied by mistake if this fails.
        path.unlink(missing_ok=True)
        found = review.review(context, inference.prepare)
        summary = found.summary
        allowed = not (summary.policy and summary.policy.violations)
        if allowed:
            saved = planfile.save(context, found, path)
            summary = replace(summary, subject=replace(summary.subject, digest=saved.digest))
        for form, suffix in _FILES.items():
            path.with_suffix(suffix).write_text(FORMATS[form](summary) + "\n", encoding="utf-8")
    return Outcome(summary, path if allowed else None)
