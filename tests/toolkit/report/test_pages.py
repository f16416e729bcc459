"""All reports in a real browser: light and dark, on a phone, printed, by keyboard, and without a network."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.benchmarks import benchmark
from tests.support.browser import CONTRASTS, Page
from tests.support.plans import resource
from tests.support.rehearsals import rolled_back
from tests.toolkit.report.test_formats import everything
from toolkit.bench.compare import Comparison, Row
from toolkit.bench.formats import comparison_html
from toolkit.errors import RolloutError
from toolkit.report import bench, html, plots, rehearsal, rollout
from toolkit.report.changes import change_of
from toolkit.report.drift import Drift, DriftedResource
from toolkit.report.rollout import AlarmState, Fleet, Moment, Timeline
from toolkit.report.tables import Table
from toolkit.smoke import Check, formats

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browser.PROGRAM is None, reason="no chromium on this machine: install it to run this test"
    ),
]
HOSTILE = """<img src="https://example.com/x" onerror="document.title='owned'">\
<script>document.title='owned'</script></svg></style> " ' ``` |"""
FAILURE = RolloutError(HOSTILE, details=[f"the new fleet did not meet the expectation english: {HOSTILE}"])
# Without a place to break the line.
LONG = "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/" + "x" * 200


def _drift() -> Drift:
    group = {"name": LONG, "retention_in_days": 30, "description": None}
    changes = [
        resource(
            "module.api.aws_cloudwatch_log_group.this", "update", group, {**group, "description": HOSTILE}
        ),
        resource("module.api.aws_cloudwatch_log_group.gone", "delete", {"name": HOSTILE}),
    ]
    resources = tuple(DriftedResource(change_of(change), None) for change in changes)
    return Drift(HOSTILE, "2026-11-30T10:00:00+00:00", 17, resources)


CHECKS = [
    Check(HOSTILE, "endpoint InService", True, 0.11, LONG, "endpoint"),
    Check(HOSTILE, "runtime invocation", False, 1.24, f"{HOSTILE}\n{LONG}", "invocation", HOSTILE, LONG),
    Check(None, "API reachable", None, 0, HOSTILE, "gateway"),
]
PAGES = {
    "plan": lambda: html.render(everything()),
    "drift": lambda: _drift().as_html(),
    "no-drift": lambda: Drift("dev", "2026-11-30T10:00:00+00:00", None, ()).as_html(),
    "smoke": lambda: formats.as_html(HOSTILE, CHECKS),
    "compare": lambda: comparison_html(COMPARISON),
    "rollout": lambda: rollout.page("dev", [TIMELINE, TIMELINE], FAILURE, HOSTILE),
    "rehearsal": lambda: rehearsal.html(rolled_back(HOSTILE, LONG)),
    "bench": lambda: bench.html(benchmark(HOSTILE, error=HOSTILE)),
    "bench-open": lambda: bench.html(benchmark(targets=("api",), loads=(1, 2, 3), opened=True, error=None)),
}
A, B = "llm-dev-m-0a1b2c3d", "llm-dev-m-9f8e7d6c"
TIMELINE = Timeline(
    HOSTILE,
    "llm-dev-m",
    (
        Moment(0, "InService", (Fleet(A, 2, 100),)),
        Moment(20, "starting instances", (Fleet(A, 2, 100), Fleet(B, 0, 0))),
        Moment(300, "baking", (Fleet(A, 2, 90), Fleet(B, 2, 10))),
        Moment(700, "RollingBack, removing instances", (Fleet(A, 2, 100), Fleet(B, 1, 0))),
        Moment(760, "InService", (Fleet(A, 2, 100),)),
    ),
    (AlarmState(600, "llm-dev-m-AllTraffic-server-errors", "ALARM"), AlarmState(690, HOSTILE, "ALARM")),
)
COMPARISON = Comparison(
    HOSTILE,
    LONG,
    (f"image: {HOSTILE} -> {LONG}",),
    (),
    (
        Row("api", "8 clients", "end-to-end latency p50", "s", 1.0, 1.5, 0.4, 0.6, 0.001, "worse"),
        Row("api", "8 clients", "output tokens", "1/s", 100, 101, -3, 5, 0.4, "no significant difference"),
    ),
    ("only the first has api, 16 clients",),
)


def test_a_rollout_is_described_from_its_start_to_its_end() -> None:
    assert "12 min 40 s, InService at both ends. " in TIMELINE.plot().description
    created = Timeline("m", "llm-dev-m", TIMELINE.moments[1:])
    assert "starting instances at the start and InService at the end. " in created.plot().description


def test_a_single_plot_has_the_width_of_the_page(browser_page: Page, tmp_path: Path) -> None:
    (tmp_path / "single.html").write_text(rollout.page("dev", [TIMELINE]), encoding="utf-8")
    browser_page.open((tmp_path / "single.html").as_uri())
    width = "document.querySelector('{}').getBoundingClientRect().width"
    for narrow, least in ((False, 0.9), (True, 0.85)):
        browser_page.emulate(width=390 if narrow else 1280)
        assert browser_page.run(width.format("svg")) > least * browser_page.run(width.format("main"))
        heights = "[...document.querySelectorAll('svg text')].map((text) => text.getBoundingClientRect())"
        assert browser_page.run(f"Math.min(...{heights}.map((box) => Math.max(box.width, box.height)))") >= 9


def test_an_alarm_at_the_end_and_the_rollback_have_bars() -> None:
    alarms = (AlarmState(760, "llm-dev-m-quality", "ALARM"),)
    plot = Timeline("m", "llm-dev-m", TIMELINE.moments, alarms, rollbacks=(700,)).plot()
    bars = {
        bar["label"]: bar["end"] - bar["start"] for bar in plot.specification["vconcat"][-1]["data"]["values"]
    }
    assert bars["! quality"] > 0.1
    assert bars["apply"] > bars["rollback"] > 0
    assert "Rolled back automatically after 11 min 40 s." in plot.description
    assert any(row[:2] == ("11 min 40 s", "automatic rollback") for row in plot.table.rows)


def test_the_symbols_of_a_legend_have_solid_outlines() -> None:
    axes = {axis: plots.quantity(axis, "") for axis in "xy"}
    layers = plots.lines(("s", ["A", "B"]), ("p", ["p50", "p95"]), points=True, **axes)
    rows = [{"s": s, "p": p, "x": x, "y": x} for s in "AB" for p in ("p50", "p95") for x in range(3)]
    specification = {**plots.framed(*layers), "data": plots.values(rows)}
    svg = plots.Plot("t", "", specification, Table("", (), (), texts=0)).svg() or ""
    legend = svg[svg.index("role-legend") :]
    assert "p95" in legend
    assert "stroke-dasharray" not in legend
    assert "stroke-dasharray" in svg


SIZES = {"rollout": 100_000, "bench": 400_000, "bench-open": 200_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, render in PAGES.items():
        (folder / f"{name}.html").write_text(render(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser.open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, browser_page: Page, folder: Path) -> Page:
    """The page of one report, open in the browser."""
    browser_page.emulate()
    browser_page.problems.clear()
    browser_page.requests.clear()
    browser_page.open((folder / f"{request.param}.html").as_uri())
    return browser_page


# Each colour of a plot against the page, and the colour of texts on bars against each colour.
SERIES = """(() => {
  const probe = document.createElement("p");
  document.body.append(probe);
  const color = (value) => { probe.style.color = value; return getComputedStyle(probe).color; };
  const luminance = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255)
    .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const contrasts = [1, 2, 3, 4, 5, 6].map((number) => {
    const colors = [color("var(--paper)"), color(`var(--series-${number})`)].map(luminance);
    const [high, low] = colors.sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  });
  probe.remove();
  return contrasts;
})()"""


def test_a_page_is_readable_in_both_schemes_and_on_a_phone(page: Page, folder: Path) -> None:
    backgrounds = set()
    for dark in (False, True):
        for width in (1000, 360):
            page.emulate(dark=dark, width=width)
            assert page.run(CONTRASTS) == []
            assert page.run("document.documentElement.scrollWidth") <= width
        assert min(page.run(SERIES)) >= 4.5
        backgrounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
        # No text of a plot is too small on a phone.
        heights = page.run(
            "[...document.querySelectorAll('svg text')].filter((text) => text.textContent.trim())"
            ".map((text) => text.getBoundingClientRect()).map((box) => Math.max(box.width, box.height))"
        )
        assert all(height >= 9 for height in heights)
        # For a person to look at.
        page.screenshot(folder / f"{'dark' if dark else 'light'}.png")
    assert len(backgrounds) == 2
    assert page.problems == []


def test_a_page_loads_nothing_and_runs_nothing(page: Page) -> None:
    assert page.requests == [page.run("location.href")]
    assert page.problems == []
    assert page.run("document.title") != "owned"
    assert (
        page.run("document.querySelectorAll('script, img, link, iframe, object, [src], [href]').length") == 0
    )
    # Scripts and styles that something adds have no effect, and nothing can be loaded.
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}),"
        "Object.assign(document.createElement('style'), {textContent: 'h1 {z-index: 7}'}))"
    )
    assert page.run("window.ran") is None
    assert page.run("getComputedStyle(document.querySelector('h1')).zIndex") == "auto"
    assert page.run("fetch('data:,x').then(() => 'loaded', () => 'refused')") == "refused"


def test_a_page_can_be_used_by_keyboard(page: Page) -> None:
    page.run(
        "document.querySelectorAll('summary, [tabindex]').forEach((node, index) => node.id = `stop${index}`)"
    )
    stops = page.run(
        "[...document.querySelectorAll('[id^=stop]')].filter(n => n.checkVisibility()).map(n => n.id)"
    )
    reached = []
    for _ in stops:
        page.press("Tab")
        reached.append(page.run("document.activeElement.id"))
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached == stops
    for summary in page.run("[...document.querySelectorAll('summary')].map((node) => node.id)"):
        is_open = f"document.getElementById('{summary}').parentElement.open"
        before = page.run(is_open)
        page.run(f"document.getElementById('{summary}').focus()")
        page.press("Enter")
        assert page.run(is_open) != before


def test_a_page_prints_light_and_complete(page: Page) -> None:
    page.emulate(dark=True, width=760, printed=True)
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("document.documentElement.scrollWidth") <= 760
    hidden = "[...document.querySelectorAll('td, dd, svg, p')].filter((node) => !node.checkVisibility())"
    assert page.run(f"{hidden}.map((node) => node.textContent)") == []
    document = base64.b64decode(page.call("Page.printToPDF")["data"])
    assert document.startswith(b"%PDF")


@pytest.mark.parametrize("name", ["bench", "bench-open"])
def test_each_plot_has_a_title_a_description_and_a_table(browser_page: Page, folder: Path, name: str) -> None:
    browser_page.open((folder / f"{name}.html").as_uri())
    figures = browser_page.run(
        """[...document.querySelectorAll("figure")].map((figure) => ({
          title: figure.querySelector("h2").textContent,
          label: figure.querySelector("[role=img]").ariaLabel,
          drawn: figure.querySelectorAll("svg path, svg text").length,
          rows: [...figure.querySelectorAll("tbody tr")].map((row) => row.innerText),
        }))"""
    )
    against = "concurrency" if name == "bench" else "offered load"
    assert [figure["title"] for figure in figures] == [
        "Throughput against latency",
        f"Time to first token against {against}",
        f"Inter-token latency against {against}",
        f"End-to-end latency against {against}",
        "Distribution of time to first token",
        "Where the time goes, by hop",
    ]
    for figure in figures:
        assert figure["label"].startswith(figure["title"])
        assert figure["drawn"] > 10
        assert (
            len(figure["rows"]) == {"bench": 10 if "Distr" in figure["title"] else 12, "bench-open": 3}[name]
        )
        assert all(re.search(r"\d (ms|s)\b", row) for row in figure["rows"])


@pytest.mark.parametrize("name", SIZES)
def test_a_page_is_small_enough_for_a_pipeline(folder: Path, name: str) -> None:
    assert (folder / f"{name}.html").stat().st_size < SIZES[name]


def test_the_library_for_plots_is_imported_with_the_first_plot() -> None:
    code = "import sys, toolkit.report.bench, toolkit.report.html; print('vl_convert' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
