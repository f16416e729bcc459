"""Apply a plan only if it is the reviewed one, without keeping the plan itself.

`toolkit plan` writes fingerprints of a plan to `plan.json`: its environment, its inputs and its changes with
all values. They disclose nothing, so a pipeline can keep the file as an artifact while it waits for an
approval. The apply plans again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toolkit import documents
from toolkit.deployment.context import Context
from toolkit.deployment.plans import archive
from toolkit.deployment.plans.review import Review
from toolkit.errors import PLAN_AGAIN, InputError, StalePlanError
from toolkit.files import require_file


class ReviewedPlan(documents.OpenDict):
    """A `plan.json`, as far as this module uses it."""

    fingerprints: dict[str, str]


def fingerprints(context: Context, review: Review) -> dict[str, str]:
    """The subject, inputs and changes of a plan; sensitive values only as a part of a digest."""
    inputs = archive.compute_fingerprints(context, review.prepared.staged)
    return {**archive.subject(context), **inputs, "planned changes": review.changes_digest}


def read(path: Path) -> Mapping[str, str]:
    """The fingerprints in a `plan.json`.

    Raises:
        InputError: there is no such file, or `toolkit plan` did not create it.
    """
    location = str(path)
    require_file(path, "read the reviewed plan", location, "create it with `toolkit plan`")
    foreign = InputError("not a plan.json created by `toolkit plan`", where=location, remedy=PLAN_AGAIN)
    return documents.read(documents.load(path), ReviewedPlan, foreign)["fingerprints"]


def require_same(context: Context, review: Review, reviewed: Mapping[str, str]) -> None:
    """Return if a plan is the reviewed one.

    Raises:
        StalePlanError: it differs.
    """
    changed = archive.changed_fingerprints(reviewed, fingerprints(context, review))
    if changed:
        raise StalePlanError(details=changed)
