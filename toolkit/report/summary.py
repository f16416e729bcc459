"""A plan's summary: changes by model and part, their consequences, drift and policy findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from toolkit.cost.estimate import Estimate
from toolkit.cost.plan import PlanCosts
from toolkit.gate import Report
from toolkit.report import changes, drift, impact
from toolkit.report.changes import Change


@dataclass(frozen=True)
class Subject:
    """The subject of a plan.

    Attributes:
        environment: its name.
        account_id: the AWS account.
        region: the AWS region.
        stack: "inference" or "account".
        commit: the checkout's commit; None outside of a git repository.
        uncommitted: whether the checkout has uncommitted changes.
        digest: the saved plan's digest in hexadecimal; None if it is not saved.
        fingerprints: of the plan's inputs and changes, by name; empty unless `toolkit plan` created it.
        renews_expiry: whether an apply matters without changes, because the environment has a `ttl`.
    """

    environment: str
    account_id: str
    region: str
    stack: str = "inference"
    commit: str | None = None
    uncommitted: bool = False
    digest: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    renews_expiry: bool = False


@dataclass(frozen=True)
class Part:
    """The changes of one model, or of the API.

    Attributes:
        name: "model qwen3-8b", "API".
        changes: changes of its resources.
        consequences: their consequences, a sentence each.
    """

    name: str
    changes: tuple[Change, ...]
    consequences: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """A plan's summary.

    Attributes:
        subject: what was planned.
        headline: "3 to add, 2 to change, 3 to destroy" or "no changes".
        has_changes: whether an apply would do anything.
        parts: the parts with changes.
        destructive_changes: changes that lose data or interrupt service, with a sentence about each.
        drift: changes made outside of Terraform since the last apply.
        outputs: names of the outputs that change.
        policy: the policy gate's report; None if the plan was not checked.
        warnings: settings of the environment file that the plan outdates, a sentence each.
        cost: costs of the environment file; None if the plan does not deploy it.
        cost_changes: what the plan changes in the costs of instances; None if it changes nothing.
    """

    subject: Subject
    headline: str
    has_changes: bool
    parts: tuple[Part, ...]
    destructive_changes: tuple[tuple[str, Change], ...]
    drift: tuple[Change, ...]
    outputs: tuple[str, ...]
    policy: Report | None = None
    warnings: tuple[str, ...] = ()
    cost: Estimate | None = None
    cost_changes: PlanCosts | None = None

    @property
    def costs(self) -> tuple[str, ...]:
        """A sentence about the costs of the environment, and about each change of them."""
        estimate = () if self.cost is None else (self.cost.headline(),)
        return (*estimate, *(self.cost_changes.sentences() if self.cost_changes is not None else ()))

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes."""
        return tuple(change for part in self.parts for change in part.changes)


def summarize(
    document: Mapping[str, Any],
    subject: Subject,
    headline: str,
    *,
    has_changes: bool,
    policy: Report | None = None,
) -> Summary:
    """Summarize a plan.

    Args:
        document: output of `terraform show -json`.
        subject: what was planned.
        headline: see `Summary`.
        has_changes: whether an apply would do anything.
        policy: the policy gate's report.
    """
    planned = changes.read(document)
    return Summary(
        subject=subject,
        headline=headline,
        has_changes=has_changes,
        parts=tuple(_parts(planned)),
        destructive_changes=tuple(impact.destructive_changes(planned)),
        drift=drift.changes(document),
        outputs=_outputs(document),
        policy=policy,
    )


def _parts(planned: tuple[Change, ...]) -> list[Part]:
    by_part = groupby(planned, key=lambda change: change.part)
    groups = [(name, tuple(group)) for name, group in by_part]
    return [Part(name, group, tuple(impact.consequences(group))) for name, group in groups]


def _outputs(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs that change."""
    all_outputs = document.get("output_changes", {})
    return tuple(name for name, change in sorted(all_outputs.items()) if change["actions"] != ["no-op"])
