"""The formats of a summary: content, limits and escaping."""

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
    """A plan with a destructive change, hostile and sensitive values, and drift."""
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
    "json": lambda plan: json.dumps(data.render(plan)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_losses_changes_and_drift(name: str) -> None:
    rendered = FORMATS[name](everything())
    assert "stops serving" in rendered
    assert "harmless" in rendered
    assert re.search(r"\bg\b", rendered)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_warnings(name: str) -> None:
    sentence = f"models.m.capacity.measured: these numbers {HOSTILE}"
    rendered = FORMATS[name](replace(summary(), warnings=(sentence,)))
    assert "models.m.capacity.measured" in rendered
    assert "warning" in rendered.lower()
    assert name in {"text", "json"} or not re.search(r"(?<!\\\\)<script>alert", rendered)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_sensitive_values(name: str) -> None:
    rendered = FORMATS[name](everything())
    assert "(sensitive)" in rendered
    assert SECRET not in rendered


def test_destructive_changes_come_first() -> None:
    rendered = text.render(everything())
    assert rendered.index("DESTRUCTIVE CHANGES") < rendered.index("API") < rendered.index("changed outside")
    page = html.render(everything())
    assert page.index('class="danger"') < page.index("<details")


def test_omitted_findings_are_in_the_json_of_a_plan() -> None:
    finding = Finding(replace(EXPIRED_EXCEPTION, severity=Severity.LOW), "module.api")
    report = Report((finding,), (), (), (), Severity.HIGH, 1, (), "3")
    for render in (text.render, markdown.render):
        rendered = render(replace(everything(), policy=report))
        assert "1 finding of severity low: run `toolkit plan --json` to list them" in rendered
        assert "--fail-at" not in rendered


def test_a_comment_starts_with_its_environments_marker() -> None:
    assert markdown.render(everything()).startswith("<!-- toolkit plan: dev -->\n")


@pytest.mark.parametrize("count", [10, 2_000, 20_000])
def test_a_comment_fits_its_limit_and_counts_omitted_lines(count: int) -> None:
    plan = summary(
        resource(ENDPOINT, "delete", {"name": "llm-dev-qwen3"}),
        *(
            resource(
                f"module.api.aws_lambda_permission.this[{n}]", "update", {"name": f"ä{n}"}, {"name": f"ö{n}"}
            )
            for n in range(count)
        ),
    )
    rendered = markdown.render(plan)
    assert len(rendered.encode()) <= 65_536
    assert ("lines omitted" in rendered) == (count > 10)
    assert "stops serving" in rendered
    assert rendered.count("<details>") == rendered.count("</details>") == 2
    assert rendered.count("```") % 2 == 0


@pytest.mark.parametrize("limit", range(400, 3000, 50))
def test_a_comment_never_exceeds_any_limit(limit: int) -> None:
    assert len(markdown.render(everything(), limit).encode()) <= limit


def test_backticks_in_values_do_not_close_the_fence() -> None:
    assert "````diff" in markdown.render(everything())


class Parsed(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_html_page_is_self_contained_without_scripts() -> None:
    page = html.render(everything())
    tags = Parsed(page).tags
    assert not {"script", "link", "img", "iframe"}.intersection(tag for tag, _ in tags)
    assert not [attributes for _, attributes in tags if {"src", "href"}.intersection(attributes)]
    assert "url(" not in page
    assert "&lt;script&gt;" in page


def test_attribute_paths_break_between_words() -> None:
    assert html._breakable("a_b[0].<i>") == "a_<wbr>b[0].<wbr>&lt;i&gt;"
    change = resource("aws_lambda_function.f", "update", {"auto_rollback": 1}, {"auto_rollback": 2})
    assert "auto_<wbr>rollback" in html.render(summary(change))


def test_a_page_has_its_date() -> None:
    assert re.search(r"created <time datetime=\"20\d\d-\d\d-\d\dT[\d:]{8}Z", html.render(everything()))
