"""Post a report to GitHub, where a workflow runs: one comment or issue per report, updated in place.

The first line of a report is an invisible marker, such as `<!-- toolkit plan: dev -->`, by which the earlier
comment or issue is found. Only those of bots count: the author of a comment can edit it at any time.
API: docs.github.com/en/rest/issues, version 2022-11-28.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NotRequired, TypeVar

import httpx

from toolkit import documents
from toolkit.errors import InputError, PreflightError

_MARKER = re.compile(r"<!-- toolkit [^\n]*-->")
_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/", re.ASCII)
_PAGE = 100
T = TypeVar("T")


class _Author(documents.OpenDict):
    type: str


class _Post(documents.OpenDict):
    """A comment, or an issue, which has a number."""

    id: int
    html_url: str
    body: str | None
    user: _Author | None
    number: NotRequired[int]
    pull_request: NotRequired[dict[str, Any]]


class _Failure(documents.OpenDict):
    message: str


@dataclass(frozen=True)
class GitHub:
    """The repository of a workflow.

    Attributes:
        client: sends requests to the repository.
        ref: the git reference of the workflow: `refs/pull/7/merge`, `refs/heads/main`.
    """

    client: httpx.Client
    ref: str

    def comment(self, report: str) -> str:
        """Create or update the comment of a report on the pull request; returns its address.

        Raises:
            InputError: the workflow does not run for a pull request.
            PreflightError: GitHub refuses it.
        """
        number = _PULL_REQUEST.match(self.ref)
        if number is None:
            raise InputError(
                "cannot comment: the workflow does not run for a pull request",
                remedy="run the command in a job for the event pull_request",
            )
        comments = f"issues/{number[1]}/comments"
        for comment in self._pages(comments):
            if _is_of(comment, report):
                return self._send("PATCH", f"issues/comments/{comment['id']}", body=report)["html_url"]
        return self._send("POST", comments, body=report)["html_url"]

    def issue(self, report: str, title: str, *, resolved: bool) -> str | None:
        """Open, update or close the issue of a report; returns its address, None if there is none.

        Args:
            report: the report, which replaces that of the issue, or is the last comment of a closed one.
            title: the title of a new issue.
            resolved: close the issue.

        Raises:
            PreflightError: GitHub refuses it.
        """
        issues = (post for post in self._pages("issues?state=open") if "pull_request" not in post)
        issue = next((issue for issue in issues if _is_of(issue, report)), None)
        if issue is None:
            return None if resolved else self._send("POST", "issues", title=title, body=report)["html_url"]
        address = f"issues/{issue['number']}"
        if not resolved:
            return self._send("PATCH", address, body=report)["html_url"]
        self._send("POST", f"{address}/comments", body=report)
        return self._send("PATCH", address, state="closed")["html_url"]

    def _pages(self, path: str) -> Iterator[_Post]:
        separator, number = "&" if "?" in path else "?", 1
        while True:
            url = f"{path}{separator}per_page={_PAGE}&page={number}"
            page = self._request("GET", url, list[_Post])
            yield from page
            if len(page) < _PAGE:
                return
            number += 1

    def _send(self, method: str, path: str, **members: str) -> _Post:
        return self._request(method, path, _Post, members)

    def _request(self, method: str, path: str, kind: type[T], members: dict[str, str] | None = None) -> T:
        action = f"{method} {path.partition('?')[0]}"
        try:
            response = self.client.request(method, path, json=members)
        except httpx.HTTPError as error:
            raise PreflightError(
                f"cannot post the report to GitHub: {action}: {error or type(error).__name__}",
                where=str(self.client.base_url),
                remedy="check the network of the job, then run it again",
            ) from None
        if response.is_error:
            raise PreflightError(
                f"cannot post the report to GitHub: {action}: status {response.status_code}",
                where=str(self.client.base_url),
                details=[_reason(response)],
                remedy="give the job the permission `pull-requests: write`, or `issues: write` for issues",
            )
        damaged = PreflightError(
            f"cannot read GitHub's response to {action}",
            where=str(self.client.base_url),
            remedy="check GITHUB_API_URL",
        )
        return documents.read(response.content, kind, damaged)


def of_workflow() -> GitHub:
    """The repository of the workflow that this process runs in.

    Raises:
        InputError: it does not run in a workflow, or the step has no token.
    """
    names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_REF", "GITHUB_TOKEN")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise InputError(
            f"cannot post to GitHub: {', '.join(missing)} is not set",
            remedy="run it in a GitHub workflow, and pass `${{ github.token }}` as GITHUB_TOKEN",
        )
    url, repository, ref, token = (os.environ[name] for name in names)
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    transport = httpx.HTTPTransport(retries=3)
    client = httpx.Client(
        base_url=f"{url}/repos/{repository}/", headers=headers, timeout=60.0, transport=transport
    )
    return GitHub(client, ref)


def require_marker(report: str, where: str) -> None:
    """Return if a report can be found again.

    Raises:
        InputError: it does not start with a marker.
    """
    if not _MARKER.match(report):
        raise InputError(
            "not a report in Markdown: its first line is not a marker",
            where=where,
            remedy="create it with --markdown, or take plan.md of `toolkit plan`",
        )


def _is_of(post: _Post, report: str) -> bool:
    """Whether a bot posted an earlier version of a report."""
    marker = report.partition("\n")[0]
    first = (post["body"] or "").partition("\n")[0].rstrip("\r")
    return first == marker and post["user"] is not None and post["user"]["type"] == "Bot"


def _reason(response: httpx.Response) -> str:
    try:
        return documents.parse(response.content, _Failure)["message"]
    except documents.DamagedError:
        return response.reason_phrase
