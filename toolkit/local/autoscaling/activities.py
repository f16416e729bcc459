"""What Application Auto Scaling did, as DescribeScalingActivities tells it."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from toolkit.local.autoscaling.targets import Key

# AWS keeps them for six weeks.
_KEPT = 500


@dataclass
class Activity:
    """A change of a target's capacity.

    Attributes:
        key: of the target.
        count: what the capacity was to be.
        cause: in AWS's words.
        status: `InProgress`, `Successful` or `Failed`.
        started: seconds since the epoch.
        ended: likewise; None as long as it goes on.
    """

    key: Key
    count: int
    cause: str
    status: str = "InProgress"
    message: str = ""
    started: float = field(default_factory=time.time)
    ended: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def description(self) -> str:
        """What it does."""
        return f"Setting desired instance count to {self.count}."

    def __post_init__(self) -> None:
        self.message = (
            f"Successfully set desired instance count to {self.count}. Waiting for change to be fulfilled by "
            f"{self.key[0]}."
        )

    def succeed(self) -> None:
        """The capacity is there."""
        self.message = (
            f"Successfully set desired instance count to {self.count}. Change successfully fulfilled by "
            f"{self.key[0]}."
        )
        self.status, self.ended = "Successful", time.time()

    def fail(self, reason: str) -> None:
        """It was refused, or was not possible."""
        self.message = f"Failed to set desired instance count to {self.count}. Reason: {reason}"
        self.status, self.ended = "Failed", time.time()

    def describe(self) -> dict[str, Any]:
        """As DescribeScalingActivities answers it."""
        namespace, resource_id, dimension = self.key
        members = {
            "ActivityId": self.id,
            "ServiceNamespace": namespace,
            "ResourceId": resource_id,
            "ScalableDimension": dimension,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StatusCode": self.status,
            "StatusMessage": self.message,
        }
        return {name: value for name, value in members.items() if value is not None}


class Activities:
    """The activities of a region, newest first."""

    def __init__(self) -> None:
        self._kept: deque[Activity] = deque(maxlen=_KEPT)

    def add(self, activity: Activity) -> None:
        """Keep one that begins."""
        self._kept.appendleft(activity)

    def find(self, namespace: str, resource_id: str | None, dimension: str | None) -> Iterable[Activity]:
        """Those of a service, of a resource, of a dimension."""
        for activity in self._kept:
            of = activity.key
            if of == (namespace, resource_id or of[1], dimension or of[2]):
                yield activity
