"""A rehearsal as text, as a comment on a pull request, and as an HTML page with its timeline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from toolkit.console import printable
from toolkit.rehearsal.results import DeniedAction, Rehearsal, Request
from toolkit.report import markdown as comments
from toolkit.report import units
from toolkit.report.plots import Plot
from toolkit.report.rollout import Failures, Moment, Timeline, fleet_text
from toolkit.report.tables import Table

_WIDTH, _WIDE = 235, 340
# A terminal shows the first seconds with failures; the other formats show all.
_MOST_SECONDS = 15


@dataclass(frozen=True)
class Denial:
    """Denied requests of one caller for one action.

    Attributes:
        caller: its name.
        action: such as `sagemaker:CreateEndpoint`.
        count: number of denied requests.
        step: name of the step during which the first was denied.
        statement: the statement that allows it; None if a Deny statement forbids it.
        remedy: what to do.
    """

    caller: str
    action: str
    count: int
    step: str
    statement: str | None
    remedy: str

    def __str__(self) -> str:
        times = "" if self.count == 1 else f" ({self.count} requests)"
        return f"{self.caller} is not allowed to call {self.action}{times}, in the step {self.step}"


def verdict(rehearsal: Rehearsal) -> tuple[str, str]:
    """The result that an apply would have: a state of the theme, and a sentence."""
    result = rehearsal.verdict
    failed = sum(request.error is not None for request in rehearsal.requests)
    if result.exit_code == 0:
        if failed:
            requests = units.count(len(rehearsal.requests), "request")
            return "warn", f"an apply would succeed, but {failed:,} of {requests} failed"
        return "good", "an apply would succeed"
    subject = f"the step {result.step} failed"
    if result.step in ("plan", "apply"):
        subject = f"toolkit {result.step} would fail"
    return "bad", f"{subject} with exit code {result.exit_code}: {result.outcome}"


def denied_title(rehearsal: Rehearsal) -> str:
    """The title of the denied actions, which do not stop every apply."""
    return "Denied actions" if rehearsal.verdict.exit_code else "Denied actions that do not stop the apply"


def text(rehearsal: Rehearsal) -> str:
    """For a terminal."""
    return "\n".join(map(printable, _lines(rehearsal)))


def _lines(rehearsal: Rehearsal) -> Iterator[str]:
    yield f"rehearsal of {rehearsal.environment}: {verdict(rehearsal)[1]}"
    width = max(len(name) for name, _ in facts(rehearsal))
    yield from (f"  {name.ljust(width)}  {value}" for name, value in facts(rehearsal))
    if rehearsal.verdict.error:
        yield from ("", *(f"  {line}" for line in rehearsal.verdict.error.splitlines()))
    denied = denials(rehearsal.denied)
    if denied:
        yield from ("", denied_title(rehearsal))
        for denial in denied:
            yield f"  {denial}"
            yield f"    → {denial.remedy}"
            yield from ([f"    {denial.statement}"] if denial.statement else [])
    for table in tables(rehearsal, _MOST_SECONDS):
        yield from ("", table.title)
        yield from (f"  {line}" for line in table.as_text().splitlines())


def markdown(rehearsal: Rehearsal) -> str:
    """A comment of at most the size that GitHub accepts: the verdict first, then a table of stages."""
    state, sentence = verdict(rehearsal)
    sign = {"good": "✅", "warn": "⚠️", "bad": "❌"}[state]
    head = [
        marker(rehearsal.environment),
        f"### Rehearsal of `{rehearsal.environment}`: {sign} {comments.escape(sentence)}",
        "",
        *(f"- {name}: {comments.escape(value)}" for name, value in facts(rehearsal)),
        "",
    ]
    sections = []
    failed = bool(rehearsal.verdict.exit_code)
    if rehearsal.verdict.error:
        lines = rehearsal.verdict.error.splitlines()
        sections.append(comments.Section("Error", lines, diff=True, is_open=True))
    if denied := denials(rehearsal.denied):
        lines = [line for denial in denied for line in _denial_lines(denial)]
        sections.append(comments.Section(f"{denied_title(rehearsal)}: {len(denied)}", lines, is_open=failed))
    for table in tables(rehearsal):
        is_open = table.title == _STAGES
        sections.append(comments.Section(table.title, list(table.as_markdown()), is_open=is_open))
    return comments.compose(head, sections, f"\n<sub>{_foot(rehearsal)}</sub>", "toolkit rehearse --html")


def marker(env: str) -> str:
    """An invisible first line that identifies an environment's comment, to update it in place."""
    return f"<!-- toolkit rehearse: {env} -->"


def html(rehearsal: Rehearsal) -> str:
    """One self-contained page."""
    from toolkit.report import html as pages

    state, sentence = verdict(rehearsal)
    return pages.page(
        "rehearsal",
        rehearsal=rehearsal,
        verdict=(state, sentence),
        facts=facts(rehearsal),
        error=rehearsal.verdict.error.splitlines(),
        denied=denials(rehearsal.denied),
        denied_title=denied_title(rehearsal),
        tables=list(tables(rehearsal)),
        plots=plots(rehearsal),
        foot=_foot(rehearsal),
    )


def facts(rehearsal: Rehearsal) -> list[tuple[str, str]]:
    """Both versions, the time to done, the peak with its price, and the requests."""
    rows = [("from", str(rehearsal.base)), ("to", str(rehearsal.change))]
    if rehearsal.seconds:
        on_aws, duration = map(units.minutes, (rehearsal.aws_duration, rehearsal.seconds))
        rows.append(("time to done", f"about {on_aws} on AWS ({duration} here)"))
    if rehearsal.instances:
        before, peak = (sum(getattr(item, name) for item in rehearsal.instances) for name in _COUNTS[:2])
        dollars = rehearsal.peak_dollars_per_hour
        price = "price unknown" if dollars is None else f"${dollars:,.2f} per hour"
        rows.append(("peak", f"{units.count(peak, 'instance')}, {price} ({before} before)"))
    if rehearsal.requests:
        failed = sum(request.error is not None for request in rehearsal.requests)
        skipped = rehearsal.skipped_requests
        reason = (
            f"; {skipped:,} more were not sent, because too many waited for a response" if skipped else ""
        )
        rows.append(("requests", f"{failed:,} of {len(rehearsal.requests):,} failed{reason}"))
    return rows


_COUNTS = ("before", "peak", "after")
_STAGES = "Stages"


def tables(rehearsal: Rehearsal, most_seconds: int | None = None) -> Iterator[Table]:
    """Stages, failed requests, who responded, instances, steps; those with rows.

    Args:
        rehearsal: the rehearsal.
        most_seconds: number of seconds with failed requests that are listed; None for all.
    """
    candidates = (
        _stages(rehearsal),
        _failed(rehearsal, most_seconds),
        _releases(rehearsal.requests),
        _instances(rehearsal),
        _steps(rehearsal),
    )
    yield from (table for table in candidates if table.rows)


@dataclass
class _Event:
    """A row of the stages: an interval of a model's rollout, or a moment in it."""

    start: float
    end: float | None
    model: str
    name: str
    fleets: str = ""
    failed: int = 0


def _stages(rehearsal: Rehearsal) -> Table:
    """Stages, alarms and rollbacks of all models in the order of time."""
    events = [event for timeline in rehearsal.timelines for event in _events(timeline)]
    for event in events:
        if event.end is not None:
            event.failed = sum(
                request.model == event.model
                and request.error is not None
                and event.start <= request.start < event.end
                for request in rehearsal.requests
            )
    events.sort(key=lambda event: event.start)
    rows = [
        (
            _time(event.start),
            _time(rehearsal.aws_seconds(event.start)),
            event.model,
            event.name,
            event.fleets,
            "" if event.end is None else f"{event.failed:,}",
        )
        for event in events
    ]
    columns = ("here", "on AWS", "model", "event", "instances and traffic at its end", "failed requests")
    return Table(_STAGES, columns, rows, texts=5)


def _events(timeline: Timeline) -> Iterator[_Event]:
    names = timeline.configurations
    stages = [list(group) for _, group in groupby(timeline.moments, key=_stage)]
    for stage, following in zip(stages, [*stages[1:], None], strict=True):
        end = following[0].seconds if following else timeline.end
        yield _Event(stage[0].seconds, end, timeline.model, stage[0].stage, _fleets(stage[-1], names))
    for state in timeline.alarms:
        yield _Event(state.seconds, None, timeline.model, f"alarm {state.alarm}: {state.state}")
    for start in timeline.rollbacks:
        yield _Event(start, None, timeline.model, "automatic rollback")


def _stage(moment: Moment) -> tuple[str, ...]:
    """A stage ends with a shift of traffic, too."""
    return moment.stage, *(f"{fleet.configuration} {fleet.share}" for fleet in moment.fleets)


def _fleets(moment: Moment, names: dict[str, str]) -> str:
    return "; ".join(f"{names[fleet.configuration]}: {fleet_text(fleet)}" for fleet in moment.fleets)


def _failed(rehearsal: Rehearsal, most: int | None) -> Table:
    """Failed requests by second and model."""
    sent: Counter[tuple[int, str]] = Counter()
    reasons: dict[tuple[int, str], Counter[str]] = {}
    for request in rehearsal.requests:
        key = (int(request.start // 1), request.model)
        sent[key] += 1
        if request.error is not None:
            reasons.setdefault(key, Counter())[request.error] += 1
    shown = sorted(reasons)[:most]
    rows = [
        (
            _time(second),
            _time(rehearsal.aws_seconds(second)),
            model,
            ", ".join(
                reason if count == 1 else f"{reason} ({count})"
                for reason, count in reasons[second, model].most_common()
            ),
            f"{reasons[second, model].total():,} of {sent[second, model]:,}",
        )
        for second, model in shown
    ]
    if len(reasons) > len(shown):
        rows.append(("…", "", "", f"and {len(reasons) - len(shown)} more", ""))
    columns = ("here", "on AWS", "model", "reason", "failed")
    return Table("Failed requests by second", columns, rows, texts=4)


def _releases(requests: Sequence[Request]) -> Table:
    """Which release responded to how many requests."""
    counts = Counter((request.model, request.release) for request in requests if request.release)
    rows = [(model, str(release), f"{count:,}") for (model, release), count in counts.items()]
    return Table("Responses by release", ("model", "release", "responses"), rows, texts=2)


def _instances(rehearsal: Rehearsal) -> Table:
    rows = []
    for item in rehearsal.instances:
        unit_price = item.dollars_per_hour
        total = None if unit_price is None else unit_price * item.peak
        prices = (units.UNKNOWN if price is None else f"${price:,.2f}" for price in (unit_price, total))
        counts = (f"{getattr(item, name):,}" for name in _COUNTS)
        rows.append((item.instance_type, item.price_source or units.UNKNOWN, *counts, *prices))
    columns = ("instance type", "source of the price", *_COUNTS, "each per hour", "peak per hour")
    return Table("Instances", columns, rows, texts=2)


def _steps(rehearsal: Rehearsal) -> Table:
    rows = [
        (step.name, step.command, units.minutes(step.seconds), f"{step.exit_code}")
        for step in rehearsal.steps
    ]
    return Table("Steps", ("step", "command", "time", "exit code"), rows, texts=2)


def denials(actions: Sequence[DeniedAction]) -> list[Denial]:
    """Denied actions by caller and action, each with the statement that allows all of its resources."""
    groups: dict[tuple[str, str, bool], list[DeniedAction]] = {}
    for action in actions:
        explicit = "explicit deny" in action.reason
        groups.setdefault((action.principal, action.action, explicit), []).append(action)
    return [
        _denial(principal.rpartition(":")[2], action, explicit, group)
        for (principal, action, explicit), group in groups.items()
    ]


def _denial(caller: str, action: str, explicit: bool, group: Sequence[DeniedAction]) -> Denial:
    count = sum(item.count for item in group)
    resources = sorted({item.resource for item in group})
    if explicit:
        remedy = f"change the Deny statement for {', '.join(resources)}: no other policy overrides it"
        return Denial(caller, action, count, group[0].step, None, remedy)
    statement = json.dumps(
        {
            "Effect": "Allow",
            "Action": action,
            "Resource": resources[0] if len(resources) == 1 else resources,
        }
    )
    policies = sorted({name for item in group for name in item.policies})
    remedy = "add this statement to its policy"
    if policies:
        remedy += f" ({', '.join(policies)} allow this action on some resources)"
    return Denial(caller, action, count, group[0].step, statement, remedy)


def _denial_lines(denial: Denial) -> Iterator[str]:
    yield f"- {comments.escape(f'{denial}: {denial.remedy}')}"
    if denial.statement:
        # A resource's name may contain anything.
        fence = comments.fence([denial.statement])
        yield from (f"  {fence}json", f"  {denial.statement}", f"  {fence}")


def plots(rehearsal: Rehearsal) -> list[Plot]:
    """The rollout of each model in AWS's time, with its failed requests."""
    timelines = [timeline for timeline in rehearsal.timelines if timeline.moments]
    width = _WIDE if len(timelines) == 1 else _WIDTH
    clock = rehearsal.aws_seconds
    return [
        timeline.converted(clock).plot(width, _failures(rehearsal, timeline.model), "Expected time on AWS")
        for timeline in timelines
    ]


def _failures(rehearsal: Rehearsal, model: str) -> list[Failures] | None:
    requests = [request for request in rehearsal.requests if request.model == model]
    counts = Counter(int(request.start // 1) for request in requests if request.error is not None)
    if not counts:
        return None
    clock = rehearsal.aws_seconds
    return [Failures(clock(second), clock(second + 1), counts[second]) for second in sorted(counts)]


def _time(seconds: float) -> str:
    return f"-{units.minutes(-seconds)}" if round(seconds) < 0 else units.minutes(seconds)


def _foot(rehearsal: Rehearsal) -> str:
    stand_in = rehearsal.stand_in
    parts = [
        f"starts within {units.minutes(stand_in.start_seconds)}",
        f"first token after {units.seconds(stand_in.first_token_seconds)}",
        f"then one every {units.seconds(stand_in.token_seconds)}",
    ]
    if stand_in.error_percent:
        parts.append(f"{stand_in.error_percent:g} % of the requests fail")
    if stand_in.exits:
        parts.append("its container exits")
    return (
        f"rehearsed at {rehearsal.started_at} in the embedded cloud, where waits take "
        f"{units.percent(rehearsal.time_scale)} of their time on AWS; a stand-in replaced the engines "
        f"({stand_in.source}): {', '.join(parts)}"
    )
