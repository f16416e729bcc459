"""`toolkit ci`: comments and issues that are updated in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support import github
from tests.support.github import BOT, PERSON, PULL_REQUEST, GitHubServer
from toolkit.cli.app import app
from toolkit.errors import InputError, PreflightError

MARKER = "<!-- toolkit plan: dev -->"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    with github.serving() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return write(tmp_path / "plan.md", f"{MARKER}\n1 to add\n")


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def run(*arguments: object) -> BaseException | None:
    return CliRunner().invoke(app, ["ci", *map(str, arguments)]).exception


def bodies(server: GitHubServer) -> list[str]:
    return [comment["body"] for comment in server.comments[PULL_REQUEST]]


def test_a_comment_is_updated_in_place(server: GitHubServer, report: Path, tmp_path: Path) -> None:
    # More than a page of comments comes first. GitHub's editor ends lines with CRLF.
    for number in range(120):
        server.add_comment(f"comment {number}", PERSON)
    server.add_comment(f"{MARKER}\r\n{'old'}", BOT)
    other = write(tmp_path / "other.md", "<!-- toolkit plan: prod -->\nno changes\n")
    for file in (report, report, other):
        assert run("comment", file) is None
    assert bodies(server)[120:] == [report.read_text(), other.read_text()]


def test_a_comment_of_another_author_is_left_alone(server: GitHubServer, report: Path) -> None:
    """Its author could change the plan in it afterwards."""
    forged = server.add_comment(f"{MARKER}\nno changes", PERSON)
    assert run("comment", report) is None
    assert bodies(server) == [f"{MARKER}\nno changes", report.read_text()]
    assert forged["user"] == PERSON


def test_an_issue_is_opened_updated_and_closed(server: GitHubServer, tmp_path: Path) -> None:
    marker = "<!-- toolkit drift: dev -->"
    server.add_issue("a pull request", marker, BOT, pull_request={"url": "u"})
    texts = [f"{marker}\n{text}\n" for text in ("one", "two", "none")]
    command = ("issue", tmp_path / "drift.md", "--title", "Drift of dev")
    for text in texts[:2]:
        write(tmp_path / "drift.md", text)
        assert run(*command) is None
    issue, _ = server.issues
    assert (issue["title"], issue["body"], issue["state"]) == ("Drift of dev", texts[1], "open")
    write(tmp_path / "drift.md", texts[2])
    for _ in range(2):  # there is nothing left to close the second time
        assert run(*command, "--resolved") is None
    assert issue["state"] == "closed"
    assert [comment["body"] for comment in server.comments[issue["number"]]] == [texts[2]]
    write(tmp_path / "drift.md", texts[0])
    assert run(*command) is None
    assert [issue["state"] for issue in server.issues] == ["open", "closed", "open"]


def test_a_missing_permission_is_named(server: GitHubServer, report: Path) -> None:
    server.permissions.clear()
    error = run("comment", report)
    assert isinstance(error, PreflightError)
    assert error.details == ("Resource not accessible by integration",) or list(error.details)
    assert "pull-requests: write" in (error.remedy or "")


@pytest.mark.parametrize("missing", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_outside_of_a_workflow_nothing_is_posted(
    server: GitHubServer, report: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    error = run("comment", report)
    assert isinstance(error, InputError)
    assert missing in str(error)


def test_only_a_pull_request_has_comments(
    server: GitHubServer, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    assert "does not run for a pull request" in str(run("comment", report))


@pytest.mark.parametrize("text", ["", "1 to add\n", f"\n{MARKER}\n"])
def test_a_report_without_its_marker_is_refused(server: GitHubServer, tmp_path: Path, text: str) -> None:
    error = run("comment", write(tmp_path / "plan.md", text))
    assert isinstance(error, InputError)
    assert not server.comments


@pytest.mark.slow
def test_an_unreachable_github_is_reported(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with github.serving() as server:
        pass
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    error = run("comment", report)
    assert isinstance(error, PreflightError)
    assert "GET issues/7/comments" in str(error)
