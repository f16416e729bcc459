"""The inference stack's variables that change without a change of the environment file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from toolkit.files import write_atomic


@dataclass(frozen=True)
class RuntimeVariables:
    """Variables that describe an environment at the time of a plan.

    They are in a file next to the rendered variables, which Terraform reads last, so they also override the
    values in a release recorded before this file existed.

    Attributes:
        instance_counts: model → variant → current instances, which a rollout keeps; empty if nothing runs.
        paused: whether the endpoints are deleted and everything else stays.
    """

    instance_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    paused: bool = False

    def write(self, directory: Path) -> Path:
        """Write `runtime.tfvars.json` to `directory`; returns its path."""
        path = directory / "runtime.tfvars.json"
        write_atomic(path, json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")
        return path
