"""The timeline of a rollout: fleets, their traffic, stages and alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.report import plots, units
from toolkit.report.plots import Plot
from toolkit.report.tables import Table

_NAMES = ("old fleet", "new fleet")
_FIRING = "ALARM"
# Width and height of a panel, and height of a line with a stage or an alarm.
_WIDTH, _PANEL, _LINE = 235, 90, 24
# Width of a panel that has the page for itself. On a phone, its text is still readable.
_WIDE = 340
# Width of the shortest bar of an alarm, as a share of the whole.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Fleet:
    """The instances of an endpoint configuration.

    Attributes:
        configuration: its name.
        instances: running instances.
        share: percentage of the traffic.
    """

    configuration: str
    instances: int
    share: int


@dataclass(frozen=True)
class Moment:
    """An endpoint at a time.

    Attributes:
        seconds: since the start of the rollout.
        stage: SageMaker's status and stage, in words.
        fleets: the current fleet and, during an update, the one that replaces it.
    """

    seconds: float
    stage: str
    fleets: tuple[Fleet, ...]


@dataclass(frozen=True)
class AlarmState:
    """A change of an alarm's state.

    Attributes:
        seconds: since the start of the rollout.
        alarm: its name.
        state: CloudWatch's name of the state.
    """

    seconds: float
    alarm: str
    state: str


@dataclass(frozen=True)
class Recording:
    """The rollouts of one apply.

    Attributes:
        start: when they began, of `time.monotonic`, which all processes share; None if there are none.
        timelines: of the endpoints that changed.
    """

    start: float | None = None
    timelines: tuple[Timeline, ...] = ()


@dataclass(frozen=True)
class Failures:
    """Failed requests within an interval.

    Attributes:
        start: seconds since the start of the rollout.
        end: likewise.
        count: their number.
    """

    start: float
    end: float
    count: int


@dataclass(frozen=True)
class Timeline:
    """The rollout of one model.

    Attributes:
        model: its name.
        endpoint: its endpoint.
        moments: one for each change, and the last one.
        alarms: changes of its alarms, in the order of time.
        note: why alarms are missing; None if they are not.
        rollbacks: times at which the toolkit started to roll the release back.
    """

    model: str
    endpoint: str
    moments: tuple[Moment, ...]
    alarms: tuple[AlarmState, ...] = ()
    note: str | None = None
    rollbacks: tuple[float, ...] = ()

    @property
    def configurations(self) -> dict[str, str]:
        """The fleets' names in the report, by configuration, in the order of their appearance."""
        names = dict.fromkeys(fleet.configuration for moment in self.moments for fleet in moment.fleets)
        if len(names) == 1:
            return dict.fromkeys(names, "fleet")
        if len(names) == len(_NAMES):
            return dict(zip(names, _NAMES, strict=True))
        return {name: f"fleet {number}" for number, name in enumerate(names, 1)}

    @property
    def end(self) -> float:
        """Time of its last moment or change."""
        return max([moment.seconds for moment in self.moments] + [state.seconds for state in self.alarms])

    def converted(self, clock: Callable[[float], float]) -> Timeline:
        """The same on another clock, which converts its seconds."""
        return replace(
            self,
            moments=tuple(replace(moment, seconds=clock(moment.seconds)) for moment in self.moments),
            alarms=tuple(replace(state, seconds=clock(state.seconds)) for state in self.alarms),
            rollbacks=tuple(map(clock, self.rollbacks)),
        )

    def plot(
        self,
        width: int = _WIDTH,
        failures: Sequence[Failures] | None = None,
        axis: str = "Time since the start",
    ) -> Plot:
        """The plot, with its events as a table.

        Args:
            width: of each panel.
            failures: failed requests, which get a panel; None if requests were not observed.
            axis: title of the axis of time.
        """
        firing = sorted({state.alarm for state in self.alarms if state.state == _FIRING})
        alarms = f"Alarms that fired: {', '.join(firing)}." if firing else "No alarm fired."
        first, last = self.moments[0].stage, self.moments[-1].stage
        ends = [f"{first} at the start", f"{last} at the end"] if first != last else [f"{last} at both ends"]
        after = [f"Rolled back automatically after {units.minutes(start)}." for start in self.rollbacks]
        return Plot(
            f"Rollout of {self.model}",
            " ".join([f"{units.minutes(self.end)}, {' and '.join(ends)}.", *after, self.note or alarms]),
            self._specification(width, failures, axis),
            self._table(),
        )

    def _table(self) -> Table:
        names = self.configurations
        events: list[tuple[float, tuple[str, ...]]] = []
        for moment in self.moments:
            fleets = {fleet.configuration: fleet for fleet in moment.fleets}
            cells = (fleet_text(fleets.get(name)) for name in names)
            events.append((moment.seconds, (moment.stage, *cells)))
        empty = ("",) * len(names)
        for state in self.alarms:
            events.append((state.seconds, (f"alarm {state.alarm}: {state.state}", *empty)))
        events += [(start, ("automatic rollback", *empty)) for start in self.rollbacks]
        events.sort(key=lambda event: event[0])
        rows = [(units.minutes(seconds), *cells) for seconds, cells in events]
        columns = ("time", "event", *(f"{title} ({name})" for name, title in names.items()))
        return Table(f"Events of {self.endpoint}", columns, rows, texts=2)

    def _specification(self, width: int, failures: Sequence[Failures] | None, axis: str) -> dict[str, Any]:
        panels = _Panels(width, self.end, axis)
        rows = [
            {
                "fleet": title,
                "time": panels.time(moment.seconds),
                "instances": fleet.instances,
                "share": fleet.share,
            }
            for moment in self._extended()
            for fleet, title in self._fleets(moment)
        ]
        names = list(self.configurations.values())
        most = max(fleet.instances for moment in self.moments for fleet in moment.fleets)
        ticks = {"values": sorted({0, most // 2, most}), "format": "d"}
        charts = [
            panels.steps(rows, names, "instances", ticks, "Instances"),
            panels.steps(rows, names, "share", {"values": [0, 50, 100]}, "Traffic (%)"),
        ]
        if failures is not None:
            charts.append(panels.failed(failures))
        charts.append(panels.gantt([*self._rollouts(), *self._stages(), *self._firing()]))
        return {"vconcat": charts, "spacing": 12}

    def _fleets(self, moment: Moment) -> Iterator[tuple[Fleet, str]]:
        """The fleets with their names in the report; those that are gone by then are empty."""
        fleets = {fleet.configuration: fleet for fleet in moment.fleets}
        for name, title in self.configurations.items():
            if name in fleets:
                yield fleets[name], title
            elif moment.seconds > min(
                other.seconds
                for other in self.moments
                if any(fleet.configuration == name for fleet in other.fleets)
            ):
                yield Fleet(name, 0, 0), title

    def _extended(self) -> tuple[Moment, ...]:
        """The moments, and the last one again at the end."""
        last = self.moments[-1]
        return (*self.moments, Moment(self.end, last.stage, last.fleets))

    def _rollouts(self) -> Iterator[dict[str, Any]]:
        """The apply and its rollback; none without a rollback."""
        if self.rollbacks:
            first = self.rollbacks[0]
            yield {"kind": "rollout", "label": "apply", "start": 0, "end": first}
            yield {"kind": "rollout", "label": "rollback", "start": first, "end": self.end}

    def _stages(self) -> Iterator[dict[str, Any]]:
        moments = self._extended()
        start = moments[0]
        for moment in moments[1:]:
            if moment.stage != start.stage or moment is moments[-1]:
                yield {
                    "kind": "stage",
                    "label": start.stage,
                    "start": start.seconds,
                    "end": moment.seconds,
                }
                start = moment

    def _firing(self) -> Iterator[dict[str, Any]]:
        """The times in which alarms fired."""
        for alarm in dict.fromkeys(state.alarm for state in self.alarms):
            states = [state for state in self.alarms if state.alarm == alarm]
            ends = [*(state.seconds for state in states[1:]), self.end]
            for state, end in zip(states, ends, strict=True):
                if state.state == _FIRING:
                    name = alarm.removeprefix(f"{self.endpoint}-")
                    # Visible even if it fired at the very end.
                    start = min(state.seconds, max(end - self.end * _LEAST_SHARE, 0))
                    yield {"kind": "alarm", "label": f"! {name}", "start": start, "end": end}


@dataclass(frozen=True)
class _Panels:
    """Charts below each other, over the same time.

    Attributes:
        width: of each.
        end: of the time, in seconds.
        title: of the axis of time.
    """

    width: int
    end: float
    title: str

    @property
    def _unit(self) -> tuple[str, float]:
        return ("min", 60.0) if self.end > 600 else ("s", 1.0)

    @property
    def _domain(self) -> dict[str, Any]:
        return {"domain": [0, self.time(self.end) or 1]}

    def time(self, seconds: float) -> float:
        """A time in the unit of the axis."""
        return seconds / self._unit[1]

    def steps(
        self, rows: Sequence[dict[str, Any]], fleets: list[str], field: str, axis: dict[str, Any], title: str
    ) -> dict[str, Any]:
        """A value of each fleet, which changes in steps."""
        encoding = {
            "x": plots.quantity("time", "", scale=self._domain, axis={"labels": False, "title": None}),
            "y": plots.quantity(field, title, axis=axis),
        }
        style = ("fleet", fleets)
        (line,) = plots.lines(style, style, points=False, **encoding)
        mark = {"type": "line", "interpolate": "step-after"}
        return {"width": self.width, "height": _PANEL, "data": plots.values(rows), **line, "mark": mark}

    def failed(self, failures: Sequence[Failures]) -> dict[str, Any]:
        """Failed requests by interval."""
        within = [item for item in failures if 0 <= item.start <= self.end]
        highest = max((item.count for item in within), default=0)
        bars = [
            {"start": self.time(item.start), "end": self.time(min(item.end, self.end)), "count": item.count}
            for item in within
        ]
        counts = {"domain": [0, highest or 1]}
        ticks = {"values": sorted({0, highest}), "format": "d"}
        return {
            "width": self.width,
            "height": _PANEL // 2,
            "data": plots.values(bars),
            "mark": {"type": "rect", "color": "var(--bad)", "stroke": "var(--bad)"},
            "encoding": {
                "x": plots.quantity("start", "", scale=self._domain, axis={"labels": False, "title": None}),
                "x2": {"field": "end"},
                "y": plots.quantity("count", "Failed", scale=counts, axis=ticks),
                "y2": {"datum": 0},
            },
        }

    def gantt(self, bars: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Intervals, a line for each label; the axis of time is below them."""
        labels = dict.fromkeys(bar["label"] for bar in bars)
        scaled = [{**bar, "start": self.time(bar["start"]), "end": self.time(bar["end"])} for bar in bars]
        return {
            "width": self.width,
            "height": _LINE * len(labels),
            "data": plots.values(scaled),
            "mark": {"type": "bar", "stroke": "var(--paper)"},
            "encoding": {
                "x": plots.quantity("start", f"{self.title} ({self._unit[0]})", scale=self._domain),
                "x2": {"field": "end"},
                "y": {
                    "field": "label",
                    "type": "nominal",
                    "sort": None,
                    "title": None,
                    "axis": {"labelLimit": 125, "labelOverlap": False},
                },
                "color": {
                    "condition": [
                        {"test": "datum.kind == 'alarm'", "value": "var(--bad)"},
                        {"test": "datum.kind == 'rollout'", "value": "var(--series-4)"},
                    ],
                    "value": "var(--series-6)",
                },
            },
        }


def fleet_text(fleet: Fleet | None) -> str:
    """ "2 instances, 90 %"; a dash for none."""
    if fleet is None:
        return units.UNKNOWN
    return f"{units.count(fleet.instances, 'instance')}, {fleet.share} %"


def page(
    environment: str,
    timelines: Sequence[Timeline],
    error: ToolkitError | None = None,
    release: str | None = None,
) -> str:
    """One self-contained page.

    Args:
        environment: its name.
        timelines: the models that the apply changed.
        error: why the apply failed; None if it did not.
        release: the release that it recorded, in words; None without one.
    """
    from toolkit.report import html

    recorded = [timeline for timeline in timelines if timeline.moments]
    width = _WIDE if len(recorded) == 1 else _WIDTH
    return html.page(
        "rollout",
        release=release,
        environment=environment,
        timelines=timelines,
        plots=[timeline.plot(width) for timeline in recorded],
        error=error.message if error is not None else None,
        details=list(_without_logs(error.details)) if error is not None else [],
    )


def _without_logs(details: Sequence[str]) -> Iterator[str]:
    """The details of an error without the lines of logs, which a page would publish."""
    heading: int | None = None
    for line in details:
        indentation = len(line) - len(line.lstrip())
        if heading is not None and indentation > heading:
            continue
        heading = indentation if line.endswith("last log lines:") else None
        if heading is None:
            yield line.strip()
