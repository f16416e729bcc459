"""Rehearsals as text and as comments on a pull request; `test_pages` has their page."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.support.rehearsals import A, B, rolled_back
from toolkit.rehearsal.results import Request, Verdict
from toolkit.report import rehearsal
from toolkit.report.plots import Plot
from toolkit.report.rollout import Fleet
from toolkit.serving.stand_in import StandIn


def row(text: str, event: str) -> list[str]:
    """The cells of a line of a table."""
    line = next(line for line in text.splitlines() if event in line)
    return re.split(r"\s{2,}", line.strip())


@pytest.mark.parametrize(
    ("verdict", "state", "sentence"),
    [
        (Verdict(0), "warn", "an apply would succeed, but 8 of 100 requests failed"),
        (Verdict(3, "plan"), "bad", "toolkit plan would fail with exit code 3: a policy forbids the change"),
        (Verdict(7, "apply"), "bad", "toolkit apply would fail with exit code 7: the smoke test failed"),
        (Verdict(6, "base"), "bad", "the step base failed with exit code 6: the rollout is not healthy, or"),
    ],
)
def test_the_verdict_is_that_of_the_command_that_fails(verdict: Verdict, state: str, sentence: str) -> None:
    result = rehearsal.verdict(replace(rolled_back(), verdict=verdict))
    assert result[0] == state
    assert result[1].startswith(sentence)
    text = rehearsal.text(replace(rolled_back(), verdict=verdict))
    assert text.startswith(f"rehearsal of dev: {sentence}")


def test_without_failures_an_apply_succeeds() -> None:
    quiet = replace(rolled_back(), verdict=Verdict(0), requests=(), denied=())
    assert rehearsal.verdict(quiet) == ("good", "an apply would succeed")
    assert "Denied" not in rehearsal.text(quiet) + rehearsal.markdown(quiet)


def test_stages_have_both_clocks_and_their_failed_requests() -> None:
    text = rehearsal.text(rolled_back())
    fleets = "old fleet: 2 instances, 50 %; new fleet: 2 instances, 50 %"
    assert row(text, "  baking") == ["10 s", "1 min 24 s", "chat", "baking", fleets, "8"]
    assert row(text, "  RollingBack")[-1] == "0"
    # Successive moments of one stage are one row, with its last fleets.
    assert text.count("starting instances") == 1
    assert "new fleet: 2 instances, 0 %" in row(text, "starting instances")[-2]
    alarm = "alarm llm-dev-chat-AllTraffic-server-errors: ALARM"
    assert row(text, alarm) == ["13 s", "3 min 44 s", "chat", alarm]


def test_requests_that_were_not_sent_are_reported() -> None:
    result = replace(rolled_back(), skipped_requests=12)
    assert "8 of 100 failed; 12 more were not sent" in rehearsal.text(result)
    assert json.loads(result.to_json())["skipped_requests"] == 12


def test_failed_requests_are_listed_by_second_and_reason() -> None:
    before = Request(-0.5, 0.1, "chat", 429, "HTTP 429 rate_limit_exceeded")
    result = rolled_back()
    text = rehearsal.text(replace(result, requests=(before, *result.requests)))
    assert row(text, "rate_limit") == ["-1 s", "-1 s", "chat", "HTTP 429 rate_limit_exceeded", "1 of 6"]
    assert row(text, "10 s  1 min 24 s  chat   HTTP")[3:] == ["HTTP 500 model_error (3)", "3 of 5"]
    assert "8 of 100 failed" in rehearsal.text(result)


def test_a_terminal_lists_the_first_failures_and_a_page_all() -> None:
    requests = tuple(Request(second, 0.1, "chat", 500, "HTTP 500") for second in range(40))
    result = replace(rolled_back(), requests=requests)
    assert row(rehearsal.text(result), "and 25 more")
    assert "and 25 more" not in rehearsal.html(result)
    assert rehearsal.text(result).count("1 of 1") == 15
    assert rehearsal.html(result).count("1 of 1") == 40


def test_responses_are_counted_by_release() -> None:
    text = rehearsal.text(rolled_back())
    assert row(text, "0a1b2c3d") == ["chat", "llm-dev-chat-0a1b2c3d", "85"]
    assert row(text, "9f8e7d6c") == ["chat", "llm-dev-chat-9f8e7d6c", "7"]


def test_a_denied_action_has_the_statement_that_allows_it() -> None:
    first = rolled_back().denied[0]
    actions = (first, replace(first, resource="arn:aws:logs:us-east-1:123456789012:log-group:/a", count=1))
    (denial,) = rehearsal.denials(actions)
    assert denial.statement is not None
    assert json.loads(denial.statement) == {
        "Effect": "Allow",
        "Action": "logs:CreateLogGroup",
        "Resource": sorted(action.resource for action in actions),
    }
    assert str(denial) == (
        "assumed-role/llm-deployer/rehearsal is not allowed to call logs:CreateLogGroup (3 requests), "
        "in the step apply"
    )
    assert "api-deployer allow this action on some resources" in denial.remedy
    assert denial.statement in rehearsal.text(replace(rolled_back(), denied=actions))
    assert f"```json\n  {denial.statement}" in rehearsal.markdown(replace(rolled_back(), denied=actions))


def test_denied_actions_do_not_stop_every_apply() -> None:
    title = "Denied actions that do not stop the apply"
    assert title not in rehearsal.html(rolled_back())
    succeeded = replace(rolled_back(), verdict=Verdict(0))
    assert title in rehearsal.text(succeeded)
    assert f"<details>\n<summary>{title}: 2</summary>" in rehearsal.markdown(succeeded)
    assert re.search(rf"<details class=\"section\">\s*<summary><h2>{title}", rehearsal.html(succeeded))


def test_a_shift_of_traffic_begins_a_row() -> None:
    (timeline,) = rolled_back().timelines
    first, *rest = timeline.moments[:4]
    baking = replace(rest[-1], seconds=12, fleets=(Fleet(A, 2, 0), Fleet(B, 2, 100)))
    shifted = replace(timeline, moments=(first, *rest, baking))
    text = rehearsal.text(replace(rolled_back(), timelines=(shifted,)))
    assert text.count("  baking  ") == 2
    assert "new fleet: 2 instances, 100 %" in text


def test_no_statement_overrides_a_deny() -> None:
    (denial,) = rehearsal.denials(rolled_back().denied[1:])
    assert denial.statement is None
    assert "Deny statement" in denial.remedy


def test_a_comment_has_the_verdict_first_and_is_found_again() -> None:
    lines = rehearsal.markdown(rolled_back()).splitlines()
    assert lines[0] == "<!-- toolkit rehearse: dev -->"
    assert lines[1].startswith("### Rehearsal of `dev`: ❌ toolkit apply would fail with exit code 6")
    assert "- peak: 4 instances, $4.89 per hour (2 before)" in lines
    assert "- time to done: about 4 min 48 s on AWS (18 s here)" in lines
    assert "first token after 200 ms" in lines[-1]
    assert "100 % of the requests fail" in lines[-1]


def test_a_comment_fits_and_escapes_names() -> None:
    hostile = "</details><script> ``` | `x` *"
    requests = tuple(Request(second, 0.1, hostile, 500, hostile) for second in range(4000))
    comment = rehearsal.markdown(replace(rolled_back(hostile, hostile), requests=requests))
    assert len(comment.encode()) <= 65_536
    assert "lines omitted" in comment
    assert r"\</details\>" in comment


def test_the_peak_without_a_price_says_so() -> None:
    result = rolled_back()
    unknown = tuple(replace(item, dollars_per_hour=None) for item in result.instances)
    text = rehearsal.text(replace(result, instances=unknown))
    assert "4 instances, price unknown (2 before)" in text
    assert row(text, "ml.g6.2xlarge")[-2:] == ["—", "—"]


def test_failures_are_drawn_on_the_axis_of_the_fleets() -> None:
    result = rolled_back()
    (plot,) = rehearsal.plots(result)
    failed = panels(plot)["Failed"]
    rows = failed["data"]["values"]
    assert [bar["count"] for bar in rows] == [3, 2, 3]
    assert rows[0]["start"] == pytest.approx(result.aws_seconds(10))
    assert rows[0]["end"] == rows[1]["start"]
    domains = [panel["encoding"]["x"]["scale"] for panel in panels(plot).values()]
    assert domains == [domains[0]] * len(domains)
    assert "Failed" not in panels(rehearsal.plots(replace(result, requests=()))[0])


def panels(plot: Plot) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """The panels with a title, and the one of the stages as None."""
    parts = plot.specification["vconcat"]
    return {part["encoding"]["y"]["title"]: part for part in parts}


def test_the_stand_in_is_described() -> None:
    crashing = replace(rolled_back(), stand_in=StandIn(exits=True, source="options"))
    assert "(options)" in rehearsal.markdown(crashing)
    assert "its container exits" in rehearsal.markdown(crashing)
