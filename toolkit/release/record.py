"""One release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Release:
    """What one successful apply put in place.

    Attributes:
        number: counts up from 1 within an environment.
        created_at: UTC, ISO 8601.
        created_by: ARN of who applied it.
        action: what made it: "apply", "rollback to 3", "pause", "resume".
        commit: the checkout's commit; None outside of git.
        uncommitted: whether the checkout had changes that no commit holds.
        plan_digest: SHA-256 of the plan file that was applied, hexadecimal.
        variables: the inference stack's variables, as rendered.
        packages: SHA-256 of each Lambda package, by its file name.
        endpoints: endpoint configuration that each endpoint served after the apply.
        smoke_test: "passed", or None if it was not run.
    """

    number: int
    created_at: str
    created_by: str
    action: str
    commit: str | None
    uncommitted: bool
    plan_digest: str
    variables: str
    packages: Mapping[str, str]
    endpoints: Mapping[str, str] = field(default_factory=dict)
    smoke_test: str | None = None

    @property
    def paused(self) -> bool:
        """Whether it left the environment without endpoints."""
        return self.action == "pause"

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Release:
        """Read what `to_json` wrote; what a later version added is left out."""
        data: dict[str, Any] = json.loads(text)
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in data.items() if name in known})
