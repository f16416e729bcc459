"""What has drifted, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from toolkit.deployment.plans.drift import Drift, Drifted
from toolkit.report import data, text


def plain(found: Drift) -> str:
    """For a terminal."""
    return "\n".join(_lines(found))


def markdown(found: Drift) -> str:
    """For an issue or a comment."""
    first, *rest = _lines(found)
    fenced = ["", "```diff", *(line.removeprefix("  ") for line in rest), "```"] if rest else []
    return "\n".join([f"<!-- toolkit drift: {found.environment} -->", f"### {first}", *fenced])


def as_data(found: Drift) -> dict[str, Any]:
    """For programs."""
    rows = [{**data.change_data(each.change), "modified_at": each.modified_at} for each in found.resources]
    return {**asdict(found), "resources": rows}


def _lines(found: Drift) -> Iterator[str]:
    release = f"release {found.release}, " if found.release else ""
    last = f"{release}applied {found.applied_at}"
    if not found.resources:
        yield f"{found.environment}: no drift since the last apply ({last})"
        return
    yield f"{found.environment}: changed outside of Terraform since the last apply ({last})"
    for each in found.resources:
        yield from _resource(each)


def _resource(each: Drifted) -> Iterator[str]:
    if each.change.action == "destroy":
        yield f"  - {text.headline(each.change)}"
        yield "      is gone; AWS does not say since when"
        return
    yield from text.change_lines(each.change)
    since = f"last modified {each.modified_at}" if each.modified_at else "AWS does not say when"
    yield f"      {since}"
