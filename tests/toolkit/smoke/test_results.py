"""The result of a smoke test as text, JSON, JUnit XML and Markdown, and as an error."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from toolkit.errors import SmokeTestError
from toolkit.smoke import Check, formats, raise_for_failures

PASSED = Check("m", "API call", True, 0.1, '"one\x07 two | three"', "api")
FAILED = Check(
    "m", "streamed API call", False, 0.2, "HTTP 500:\nbroken", "api-streaming", "a cause", "a command"
)
SKIPPED = Check(None, "log", None, 0.0, "because this failed: m: streamed API call", "logs")
CHECKS = [PASSED, FAILED, SKIPPED]


def test_a_line_shows_the_verdict_and_a_failure_its_cause() -> None:
    assert PASSED.line() == 'ok   m: API call (0.10 s): "one\x07 two | three"'
    assert FAILED.line().splitlines()[-2:] == ["     cause: a cause", "     next: a command"]
    assert SKIPPED.line() == "skip API: log: not run, because this failed: m: streamed API call"


def test_the_error_lists_the_failed_checks() -> None:
    raise_for_failures("dev", [PASSED, SKIPPED])
    with pytest.raises(SmokeTestError, match="1 of 2 checks failed, the first: m: streamed") as caught:
        raise_for_failures("dev", CHECKS)
    assert list(caught.value.details) == FAILED.line().splitlines()
    assert caught.value.remedy == "run `a command`"
    with pytest.raises(SmokeTestError, match="1 of 2 checks failed") as caught:
        raise_for_failures("dev", CHECKS, shown=True)
    assert not caught.value.details


def test_json_keeps_the_members_of_earlier_versions() -> None:
    documents = json.loads(formats.as_json(CHECKS))
    assert [{key: document[key] for key in ("model", "name", "ok")} for document in documents] == [
        {"model": "m", "name": "API call", "ok": True},
        {"model": "m", "name": "streamed API call", "ok": False},
        {"model": None, "name": "log", "ok": None},
    ]
    assert documents[0]["seconds"] == 0.1
    assert [document["verdict"] for document in documents] == ["passed", "failed", "not run"]
    assert (documents[1]["layer"], documents[1]["cause"]) == ("api-streaming", "a cause")


def test_junit_counts_verdicts_and_has_no_forbidden_characters() -> None:
    (suite,) = ET.fromstring(formats.as_junit("dev", CHECKS))  # noqa: S314 - our own
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    failure = cases["dev.m", "streamed API call"].find("failure")
    assert failure is not None
    assert "next: a command" in (failure.text or "")
    assert cases["dev.API", "log"].find("skipped") is not None


def test_markdown_shows_failures_first_and_escapes_texts() -> None:
    text = formats.as_markdown("dev", CHECKS)
    lines = text.splitlines()
    assert lines[0] == "<!-- toolkit smoke-test: dev -->"
    assert lines[1].endswith("1 passed, 1 failed, 1 not run")
    assert text.index("a cause") < text.index("<details>")
    rows = [line for line in lines if line.startswith("| ")]
    # A text cannot add a cell.
    assert {row.replace("\\|", "").count("|") for row in rows} == {7}


@pytest.mark.slow
def test_markdown_fits_the_limit_of_github() -> None:
    failed = [replace(FAILED, detail="<" * 20_000, cause="|" * 20_000) for _ in range(500)]
    text = formats.as_markdown("dev", failed)
    assert len(text.encode()) <= 65_536
    assert "- and 480 more" in text
    assert "`toolkit smoke-test --env dev`" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_page_shows_failures_first() -> None:
    page = formats.as_html("dev", CHECKS)
    assert page.index("a cause") < page.index("<details")
    assert "1 passed, 1 failed, 1 not run" in page
    assert page.count("streamed API call") >= 2
