"""GitHub's API for comments and issues, as far as workflows of the toolkit use it, on loopback.

Paths, members and statuses are those of docs.github.com/en/rest/issues (version 2022-11-28): lists have
pages, a list of issues also has pull requests, and a token without a permission gets 403.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY, TOKEN = "example/llm-deployments", "ghs_token"
PULL_REQUEST = 7
BOT, PERSON = {"login": "github-actions[bot]", "type": "Bot"}, {"login": "ann", "type": "User"}
# One of these permissions is needed to write.
NEEDED = {"comment": {"pull-requests", "issues"}, "issue": {"issues"}}


@dataclass
class GitHubServer:
    """A repository with one pull request.

    Attributes:
        url: the address of the API.
        permissions: what the token may write.
        comments: comments by the number of their issue or pull request.
        issues: issues and pull requests.
    """

    url: str = ""
    permissions: set[str] = field(default_factory=lambda: {"pull-requests", "issues"})
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)

    def environment(self, ref: str = f"refs/pull/{PULL_REQUEST}/merge") -> dict[str, str]:
        """The variables of a step that is given the job's token."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REF": ref,
            "GITHUB_TOKEN": TOKEN,
        }

    def add_comment(self, body: str, user: dict[str, str], number: int = PULL_REQUEST) -> dict[str, Any]:
        """Add a comment."""
        comment = {"id": 1000 + sum(map(len, self.comments.values())), "body": body, "user": user}
        comment["html_url"] = f"https://github.example/{number}#issuecomment-{comment['id']}"
        self.comments.setdefault(number, []).append(comment)
        return comment

    def add_issue(self, title: str, body: str, user: dict[str, str], **further: Any) -> dict[str, Any]:
        """Add an issue; `pull_request` makes it a pull request."""
        number = PULL_REQUEST + 1 + len(self.issues)
        issue = {"id": 9000 + number, "number": number, "title": title, "body": body, "user": user}
        issue |= {"state": "open", "html_url": f"https://github.example/issues/{number}", **further}
        self.issues.insert(0, issue)
        return issue

    def respond(self, method: str, target: str, members: dict[str, Any]) -> tuple[int, Any]:  # noqa: PLR0911
        """The status and the document of a response."""
        url = urlsplit(target)
        path, query = url.path.removeprefix(f"/repos/{REPOSITORY}/"), parse_qs(url.query)
        size, page = (int(query[name][0]) if name in query else 1 for name in ("per_page", "page"))
        first = size * (page - 1)
        comments = re.fullmatch(r"issues/(\d+)/comments", path)
        comment = re.fullmatch(r"issues/comments/(\d+)", path)
        issue = re.fullmatch(r"issues/(\d+)", path)
        kind = "comment" if comments or comment else "issue"
        if method != "GET" and not NEEDED[kind] & self.permissions:
            return 403, {"message": "Resource not accessible by integration"}
        match method:
            case "GET" if comments:
                return 200, self.comments.get(int(comments[1]), [])[first : first + size]
            case "GET" if path == "issues":
                state = query["state"][0]
                matching = [item for item in self.issues if item["state"] == state]
                return 200, matching[first : first + size]
            case "POST" if comments:
                return 201, self.add_comment(members["body"], BOT, int(comments[1]))
            case "POST" if path == "issues":
                return 201, self.add_issue(members["title"], members["body"], BOT)
            case "PATCH" if comment:
                posts = [post for posts in self.comments.values() for post in posts]
                (post,) = [post for post in posts if post["id"] == int(comment[1])]
            case "PATCH" if issue:
                (post,) = [post for post in self.issues if post["number"] == int(issue[1])]
            case _:
                return 404, {"message": "Not Found"}
        post |= members
        return 200, post


@contextmanager
def serving() -> Iterator[GitHubServer]:
    """Serve a repository until the block ends."""
    server = GitHubServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            members = json.loads(self.rfile.read(length) or "{}")
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, document = server.respond(self.command, self.path, members)
            else:
                status, document = 401, {"message": "Bad credentials"}
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = handle_request  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server.url = f"http://127.0.0.1:{listener.server_port}"
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield server
        listener.shutdown()
