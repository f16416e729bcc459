"""Summarizes a plan, in several formats.

    summary = summarize(workspace.show(plan), Subject("dev", …), plan.summary(), has_changes=…, policy=report)
    text.render(summary)        # for a terminal
    markdown.render(summary)    # for a comment on a pull request
    html.render(summary)        # one self-contained page
    data.render(summary)        # JSON

No format contains sensitive values.
"""

from toolkit.report.changes import Change
from toolkit.report.summary import Subject, Summary, summarize

__all__ = ["Change", "Subject", "Summary", "summarize"]
