"""The formats of a summary: limits, escaping, and nothing sensitive in any of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.support.plans import ENDPOINT, resource, summary
from toolkit.gate.findings import Finding, Report
from toolkit.gate.rules import EXPIRED_EXCEPTION, Severity
from toolkit.report import Summary, data, html, markdown, text

SECRET = "correct horse"
HOSTILE = '<script>alert(1)</script> ``` | </details> "quoted" \\'


def everything() -> Summary:
    """A plan with something dangerous, hostile, sensitive and changed by others in it."""
    return summary(
        resource(
            "module.api.aws_lambda_function.gateway[0]",
            "update",
            {"function_name": "f", "description": "harmless", "key": "old"},
            {"function_name": "f", "description": HOSTILE, "key": SECRET},
            after_sensitive={"key": True},
        ),
        resource(ENDPOINT, "delete", {"name": "llm-dev-qwen3"}),
        drift=(
            resource(
                "module.api.aws_cloudwatch_log_group.this",
                "update",
                {"name": "g", "d": 1},
                {"name": "g", "d": 2},
            ),
        ),
    )


FORMATS = {
    "text": text.render,
    "markdown": markdown.render,
    "html": html.render,
    "json": lambda found: json.dumps(data.render(found)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_danger_change_and_drift_and_no_secret(name: str) -> None:
    written = FORMATS[name](everything())
    assert "stops answering" in written
    assert "harmless" in written
    assert "(sensitive)" in written
    assert SECRET not in written
    assert re.search(r"\bg\b", written)


def test_dangers_come_before_everything_else() -> None:
    written = text.render(everything())
    assert written.index("DANGER") < written.index("API") < written.index("changed outside")
    page = html.render(everything())
    assert page.index('class="danger"') < page.index("<details")


def test_findings_that_are_left_out_are_where_a_plan_has_them() -> None:
    finding = Finding(replace(EXPIRED_EXCEPTION, severity=Severity.LOW), "module.api")
    nothing = Report((finding,), (), (), (), Severity.HIGH, 1, (), "3")
    for render in (text.render, markdown.render):
        written = render(replace(everything(), policy=nothing))
        assert "1 of severity low: `toolkit plan --json` has them" in written
        assert "--fail-at" not in written


def test_a_comment_is_found_again_by_its_environment() -> None:
    assert markdown.render(everything()).startswith("<!-- toolkit plan: dev -->\n")


@pytest.mark.parametrize("count", [10, 2_000, 20_000])
def test_a_comment_stays_below_the_limit_and_says_what_is_missing(count: int) -> None:
    found = summary(
        resource(ENDPOINT, "delete", {"name": "llm-dev-qwen3"}),
        *(
            resource(
                f"module.api.aws_lambda_permission.this[{n}]", "update", {"name": f"ä{n}"}, {"name": f"ö{n}"}
            )
            for n in range(count)
        ),
    )
    written = markdown.render(found)
    assert len(written.encode()) <= 65_536
    assert ("lines are left out" in written) == (count > 10)
    assert "stops answering" in written
    assert written.count("<details>") == written.count("</details>") == 2
    assert written.count("```") % 2 == 0


@pytest.mark.parametrize("limit", range(400, 3000, 50))
def test_no_limit_is_ever_passed(limit: int) -> None:
    assert len(markdown.render(everything(), limit).encode()) <= limit


def test_code_cannot_end_its_own_fence() -> None:
    assert "````diff" in markdown.render(everything())


class Parsed(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_anywhere_and_runs_nothing() -> None:
    page = html.render(everything())
    tags = Parsed(page).tags
    assert not {"script", "link", "img", "iframe"}.intersection(tag for tag, _ in tags)
    assert not [attributes for _, attributes in tags if {"src", "href"}.intersection(attributes)]
    assert "url(" not in page
    assert "&lt;script&gt;" in page
