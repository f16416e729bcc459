"""The faults that are planted in a change, and what they do to a later apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

# The change is a new release: the model's name in the server, which behaves as the fault says.
BASE: Final = 'model: "first"'
CHANGE: Final = 'model: "second"'
DENIED: Final = {"sagemaker:CreateEndpointConfig": "sagemaker:DescribeEndpointConfig"}


@dataclass(frozen=True)
class Fault:
    """A fault of a change.

    Attributes:
        name: in the field's words.
        exit_code: of the plan or the apply.
        reason: part of its error.
        changes: texts of the environment file and their replacements, besides the new release.
        server: behaviour of the new release's server.
        stand_in: options that give the stand-in the same behaviour.
        policy: actions of the deployers' policy for SageMaker and their replacements.
        quota: of the model's instance type.
    """

    name: str
    exit_code: int
    reason: str
    changes: Mapping[str, str] = field(default_factory=dict)
    server: Literal["healthy", "failing", "silent"] = "healthy"
    stand_in: tuple[str, ...] = ()
    policy: Mapping[str, str] = field(default_factory=dict)
    quota: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Texts of the environment file and their replacements."""
        return {BASE: CHANGE, **self.changes}


FAULTS: Final = (
    Fault("invalid file", 2, "min", {"min: 2, max: 2": "min: 3, max: 2"}),
    Fault("policy violation", 3, "violation", {"fail_at: high": "fail_at: medium"}),
    Fault("missing right", 5, "sagemaker:CreateEndpointConfig", policy=DENIED),
    Fault("quota too small", 5, "for endpoint usage", quota=3),
    Fault(
        "container that exits",
        6,
        "ended with exit code 1",
        {"SERVER": "http://192.0.2.1/v1"},
        stand_in=("--container-exits",),
    ),
    Fault(
        "slow start",
        6,
        "within 60 seconds",
        {"startup_timeout_seconds: 3600": "startup_timeout_seconds: 60"},
        server="silent",
        stand_in=("--start-seconds", "6000"),
    ),
    Fault("server errors", 6, "server-errors", server="failing", stand_in=("--error-percent", "100")),
    Fault("alarm too strict", 6, "latency", {"alarms: {}": "alarms: {latency_ms: 1}"}),
    Fault("none", 0, ""),
)
