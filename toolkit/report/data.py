"""A summary as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from toolkit.gate import data as policy_data
from toolkit.report.changes import Change
from toolkit.report.summary import Summary


def render(summary: Summary) -> dict[str, Any]:
    """The output of `plan --json`, without sensitive values."""
    return {
        **asdict(summary.subject),
        "summary": summary.headline,
        "has_changes": summary.has_changes,
        "dangers": [
            {"text": text, "address": change.address} for text, change in summary.destructive_changes
        ],
        "warnings": list(summary.warnings),
        "cost": None if summary.cost is None else summary.cost.as_data(),
        "cost_changes": None if summary.cost_changes is None else summary.cost_changes.as_data(),
        "parts": [
            {
                "part": part.name,
                "consequences": list(part.consequences),
                "changes": [change_data(change) for change in part.changes],
            }
            for part in summary.parts
        ],
        "drift": [change_data(change) for change in summary.drift],
        "outputs": list(summary.outputs),
        "policy": None if summary.policy is None else policy_data.render(summary.policy),
    }


def change_data(change: Change) -> dict[str, Any]:
    """One change."""
    return {
        "address": change.address,
        "type": change.type,
        "kind": change.kind,
        "name": change.name,
        "old_name": change.old_name,
        "action": change.action,
        "reason": change.reason or None,
        "new_version": change.new_version,
        "stateful": change.loses_state,
        "differences": [asdict(difference) for difference in change.differences],
    }
