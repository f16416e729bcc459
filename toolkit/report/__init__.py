"""What a plan does, for people and programs: one summary, several formats.

    summary = summarize(workspace.show(plan), Subject("dev", …), plan.summary(), has_changes=…, policy=report)
    text.render(summary)        # a terminal
    markdown.render(summary)    # a pull request's comment
    html.render(summary)        # one self-contained page
    data.render(summary)        # programs

Sensitive values are in none of them.
"""

from toolkit.report.changes import Change
from toolkit.report.summary import Subject, Summary, summarize

__all__ = ["Change", "Subject", "Summary", "summarize"]
