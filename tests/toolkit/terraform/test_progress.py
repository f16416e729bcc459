"""The progress display of Terraform."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from toolkit.console import Console
from toolkit.terraform.process import Interruption
from toolkit.terraform.progress import Activity, Display, duration


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity:
    return Activity(clock)


def planned(address: str, action: str) -> dict[str, Any]:
    return {"type": "planned_change", "change": {"resource": {"addr": address}, "action": action}}


def hook(kind: str, address: str, action: str) -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action}}


def test_shows_the_count_and_the_resource_in_progress(activity: Activity, clock: Clock) -> None:
    for address in ("aws_a.a", "aws_b.b", "aws_c.c"):
        activity.feed(planned(address, "create"))
    activity.feed(planned("data.aws_d.d", "read"))
    activity.feed(planned("aws_e.e", "move"))
    assert activity.text() == "0/3 done"
    activity.feed(hook("apply_start", "aws_a.a", "create"))
    activity.feed(hook("apply_start", "aws_b.b", "create"))
    clock.now += 61
    assert activity.text() == "0/3 done, creating aws_a.a and 1 more (1 min 01 s)"
    assert activity.feed(hook("apply_complete", "aws_a.a", "create")) == "aws_a.a: created (1 min 01 s) [1/3]"
    assert activity.text() == "1/3 done, creating aws_b.b (1 min 01 s)"
    assert activity.feed(hook("apply_errored", "aws_b.b", "create")) == "aws_b.b: failed"
    assert activity.text() == "1/3 done"


def test_a_replacement_counts_after_both_steps(activity: Activity) -> None:
    activity.feed(planned("aws_a.a", "replace"))
    for action, done in (("create", 0), ("delete", 1)):
        activity.feed(hook("apply_start", "aws_a.a", action))
        activity.feed(hook("apply_complete", "aws_a.a", action))
        assert activity.done == done


def test_planning_shows_the_number_of_resources_read(activity: Activity, clock: Clock) -> None:
    clock.now += 3
    assert activity.text() == "(3 s)"
    activity.feed(hook("refresh_start", "aws_a.a", ""))
    activity.feed(hook("refresh_complete", "aws_a.a", ""))
    activity.feed(hook("apply_start", "data.aws_d.d", "read"))
    clock.now += 2
    assert activity.text() == "1 read, reading data.aws_d.d (2 s)"
    assert activity.feed(hook("apply_complete", "data.aws_d.d", "read")) is None


def test_init_shows_the_provider_being_installed(activity: Activity, clock: Clock) -> None:
    activity.feed({"type": "log", "@message": "Installing provider version: hashicorp/aws v5.100.0..."})
    clock.now += 42
    assert activity.text() == "Installing provider version: hashicorp/aws v5.100.0 (42 s)"


def test_the_terminal_shows_the_latest_state(activity: Activity, clock: Clock) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with Console(err=terminal, interactive=True).progress("terraform apply") as progress:
        display = Display("apply", progress, activity)
        display.event(planned("aws_a.a", "create"))
        display.event(hook("apply_start", "aws_a.a", "create"))
        for _ in range(3):
            display.tick(Interruption())
            clock.now += 1
    assert re.search(r"creating aws_a\.a \(2 s\)", terminal.getvalue())


def test_in_a_pipe_each_status_change_is_a_line(activity: Activity) -> None:
    err = io.StringIO()
    phases = [{}, {"m": "Creating"}, {"m": "Creating"}, {"m": "InService", "n": "Creating"}]
    with Console(err=err, interactive=False).progress("terraform apply") as progress:
        states = iter(phases)
        display = Display("apply", progress, activity, lambda: next(states))
        for _ in phases:
            display.tick(Interruption())
    assert err.getvalue().splitlines()[1:] == ["m: Creating", "m: InService", "n: Creating"]


def test_a_terminal_shows_watched_status_in_the_live_line(activity: Activity) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with Console(err=terminal, interactive=True).progress("terraform apply") as progress:
        Display("apply", progress, activity, lambda: {"m": "Updating, 10 %"}).tick(Interruption())
    assert "m: Updating, 10 %" in terminal.getvalue()


def test_an_interrupt_and_a_forced_stop_are_each_explained_once(activity: Activity) -> None:
    err = io.StringIO()
    interruption = Interruption()
    with Console(err=err, interactive=False).progress("terraform apply") as progress:
        display = Display("apply", progress, activity)
        interruption.requested = True
        for _ in range(3):
            display.tick(interruption)
        interruption.forced = True
        for _ in range(3):
            display.tick(interruption)
    assert len(err.getvalue().splitlines()) == 3
    assert "finishes operations in progress" in err.getvalue()
    assert "immediately" in err.getvalue().splitlines()[-1]


@pytest.mark.parametrize(("name", "locks"), [("plan", True), ("init", False)])
def test_interrupting_a_plan_warns_of_no_lost_resources(activity: Activity, name: str, locks: bool) -> None:
    err = io.StringIO()
    interruption = Interruption()
    with Console(err=err, interactive=False).progress(f"terraform {name}") as progress:
        display = Display(name, progress, activity)
        interruption.requested = True
        display.tick(interruption)
        interruption.forced = True
        display.tick(interruption)
    _, requested, forced = err.getvalue().splitlines()
    for line in (requested, forced):
        assert "nothing is changed" in line
        assert "resources" not in line
        assert ("locked" in line) is locks


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (3725, "62 min 05 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
