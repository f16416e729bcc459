"""Collect changes, counts, outputs and diagnostics from the messages of a Terraform command.

Plain-text lines are kept too: crashes and wrapper scripts print plain text.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from toolkit.terraform.diagnostics import Diagnostic
from toolkit.terraform.messages import Event, member, parse, word

# Plain-text lines kept to explain a failure without diagnostics.
PLAIN_LINES_KEPT = 40


@dataclass(frozen=True)
class Change:
    """A planned change of one resource.

    Attributes:
        address: "module.api.aws_lambda_function.gateway".
        action: Terraform's word: create, read, update, replace, delete, move, import or remove (forget).
        resource_type: "aws_lambda_function".
        reason: Terraform's reason, if any: "cannot_update", "delete_because_no_resource_config", …
        previous_address: earlier address of a moved resource.
    """

    address: str
    action: str
    resource_type: str = ""
    reason: str = ""
    previous_address: str | None = None

    @classmethod
    def from_json(cls, change: Event) -> Change:
        """Parse the `change` of a `planned_change` or `resource_drift` message."""
        resource = member(change, "resource")
        return cls(
            address=word(resource, "addr"),
            action=word(change, "action"),
            resource_type=word(resource, "resource_type"),
            reason=word(change, "reason"),
            previous_address=word(member(change, "previous_resource"), "addr") or None,
        )


@dataclass(frozen=True)
class Counts:
    """Numbers of resources by action; a replaced one counts as added and removed."""

    add: int = 0
    change: int = 0
    remove: int = 0
    imported: int = 0

    @classmethod
    def from_json(cls, changes: Event) -> Counts:
        """Parse the `changes` of a `change_summary` message."""
        return cls(
            changes.get("add", 0),
            changes.get("change", 0),
            changes.get("remove", 0),
            changes.get("import", 0),
        )


@dataclass
class Transcript:
    """The output of a Terraform command so far.

    Attributes:
        diagnostics: errors and warnings, in order.
        changes: planned changes.
        drift: changes made outside Terraform.
        counts: the summary, once printed.
        outputs: values after an apply; None if a sensitive one was withheld.
        state: the state itself, which Terraform prints if it cannot store it anywhere.
        plain: the last plain-text lines.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    drift: list[Change] = field(default_factory=list)
    counts: Counts | None = None
    outputs: dict[str, Any] | None = None
    state: Event | None = None
    plain: deque[str] = field(default_factory=lambda: deque(maxlen=PLAIN_LINES_KEPT))

    def feed(self, line: str) -> Event | None:
        """Process one line; returns the event, or None for plain text."""
        event = parse(line)
        if event is None:
            self.plain.append(line)
            return None
        match event["type"]:
            case "diagnostic":
                self.diagnostics.append(Diagnostic.from_json(member(event, "diagnostic")))
            case "planned_change":
                self.changes.append(Change.from_json(member(event, "change")))
            case "resource_drift":
                self.drift.append(Change.from_json(member(event, "change")))
            case "change_summary":
                self.counts = Counts.from_json(member(event, "changes"))
            case "outputs":
                self.outputs = _output_values(member(event, "outputs"))
            case "log" if "state" in event:
                self.state = member(event, "state")
        return event


def _output_values(outputs: Event) -> dict[str, Any] | None:
    members = {name: member(outputs, name) for name in outputs}
    if any("value" not in output for output in members.values()):
        return None
    return {name: output["value"] for name, output in members.items()}
