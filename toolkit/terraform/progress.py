"""Progress of a running Terraform command: a live status line, and lines for completed steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from toolkit.console import Progress
from toolkit.terraform import interrupts
from toolkit.terraform.messages import Event, member, word
from toolkit.terraform.process import Interruption

_DOING = {"create": "creating", "update": "updating", "delete": "destroying", "read": "reading"}
_DONE = {"create": "created", "update": "updated", "delete": "destroyed"}
# Steps per action on a resource. Moves and imports only change the state.
_STEPS = {"create": 1, "update": 1, "delete": 1, "replace": 2}


class Activity:
    """Tracks the events of one command.

    Attributes:
        total: resources the plan changes.
        done: resources finished.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self.done = 0
        self._refreshed = 0
        self._note = ""
        self._clock = clock
        self._began = clock()
        self._steps_left: dict[str, int] = {}
        self._running: dict[str, tuple[str, float]] = {}

    def feed(self, event: Event) -> str | None:
        """Process one event; returns a line to print, if any."""
        hook = member(event, "hook")
        address = word(member(hook, "resource"), "addr")
        action = word(hook, "action")
        match event["type"]:
            case "planned_change":
                self._plan(member(event, "change"))
            case "apply_start":
                self._running[address] = (_DOING.get(action, action), self._clock())
            case "apply_complete":
                return self._finish(address, action)
            case "apply_errored":
                self._running.pop(address, None)
                return f"{address}: failed"
            case "log" | "provider_version_installation_start":
                # During init: the provider download, which takes minutes on a slow network.
                self._note = word(event, "@message").rstrip(".").partition("\n")[0]
            case "refresh_start":
                self._running[address] = ("reading", self._clock())
            case "refresh_complete":
                self._running.pop(address, None)
                self._refreshed += 1
        return None

    def _plan(self, change: Event) -> None:
        steps = _STEPS.get(word(change, "action"))
        if steps:
            self.total += 1
            self._steps_left[word(member(change, "resource"), "addr")] = steps

    def _finish(self, address: str, action: str) -> str | None:
        _, began = self._running.pop(address, ("", self._clock()))
        if action not in _DONE:
            return None
        steps = self._steps_left.get(address, 1) - 1
        self._steps_left[address] = steps
        if steps == 0:
            self.done += 1
        return f"{address}: {_DONE[action]} ({duration(self._clock() - began)}) {self._count()}".rstrip()

    def _count(self) -> str:
        return f"[{self.done}/{self.total}]" if self.total else ""

    def text(self) -> str:
        """The status in one line."""
        parts = []
        if self.total:
            parts.append(f"{self.done}/{self.total} done")
        elif self._refreshed:
            parts.append(f"{self._refreshed} read")
        if self._running:
            # The first resource has been running longest.
            address, (doing, began) = next(iter(self._running.items()))
            more = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
            parts.append(f"{doing} {address}{more} ({duration(self._clock() - began)})")
        return ", ".join(parts) or f"{self._note} ({duration(self._clock() - self._began)})".lstrip()


# Returns the status of resources that Terraform waits for, by name.
Watch = Callable[[], Mapping[str, str]]


class Display:
    """Shows an Activity and the status of watched resources.

    Args:
        name: the command: "init", "plan", "apply" or "destroy".
        progress: the console's progress.
        activity: the command's activity.
        watch: returns the status of watched resources.
    """

    def __init__(self, name: str, progress: Progress, activity: Activity, watch: Watch = dict) -> None:
        self._name = name
        self._progress = progress
        self._activity = activity
        self._watch = watch
        self._statuses: Mapping[str, str] = {}
        self._shown = ""
        self._printed: set[str] = set()

    def event(self, event: Event) -> None:
        """Process one event."""
        line = self._activity.feed(event)
        if line:
            self._progress.line(line)

    def tick(self, interruption: Interruption) -> None:
        """Update the display; call it several times a second."""
        if interruption.forced:
            self._once(interrupts.forced(self._name))
        elif interruption.requested:
            self._once(interrupts.requested(self._name))
        statuses = self._watch()
        for name, status in statuses.items():
            if status != self._statuses.get(name):
                self._progress.change(f"{name}: {status}")
        self._statuses = statuses
        text = "; ".join([self._activity.text(), *(f"{name}: {status}" for name, status in statuses.items())])
        if text != self._shown:  # the text contains a duration, so it changes at least once a second
            self._shown = text
            self._progress.update(text)

    def _once(self, line: str) -> None:
        if line not in self._printed:
            self._printed.add(line)
            self._progress.line(line)


def duration(seconds: float) -> str:
    """ "42 s", "3 min 20 s"."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
