"""Status of the embedded cloud, as services report it and the client reads it.

Imports the standard library only: the client must not load the cloud's dependencies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EndpointStatus:
    """A SageMaker endpoint.

    Attributes:
        status: SageMaker's status, such as `Creating` or `InService`.
        reason: why it failed or was rolled back.
    """

    name: str
    region: str
    status: str
    configuration: str
    reason: str | None = None


@dataclass(frozen=True)
class FunctionStatus:
    """A Lambda function.

    Attributes:
        instances: its processes, including warm ones.
    """

    name: str
    region: str
    instances: int = 0


@dataclass(frozen=True)
class ApiStatus:
    """A REST API with its deployed stages."""

    id: str
    name: str
    region: str
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessStatus:
    """A child process.

    Attributes:
        kind: `model` or `function`.
        name: such as `<endpoint>/<variant>/<instance>`, or the function's name.
        memory_bytes: resident memory, including its own children.
    """

    kind: str
    name: str
    pid: int
    memory_bytes: int


@dataclass
class MeteredInstance:
    """An instance of an endpoint; times are seconds of the cloud's clock.

    Attributes:
        launched: when it began to start.
        in_service: when it could serve requests; None before.
        ended: when it was stopped; None before.
    """

    region: str
    endpoint: str
    variant: str
    instance_type: str
    launched: float
    in_service: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class InstanceUsage:
    """The instances of a type.

    Attributes:
        running: number now, including those that start.
        peak: highest number.
        seconds: billed seconds on AWS of all of them.
    """

    instance_type: str
    running: int
    peak: int
    seconds: float


@dataclass(frozen=True)
class Metered:
    """All instances since the cloud's start.

    Attributes:
        now: the time of the cloud's clock.
    """

    now: float
    instances: tuple[MeteredInstance, ...]

    def seconds(self, since: float = 0.0) -> dict[str, float]:
        """Billed seconds by instance type since a time."""
        sums: dict[str, float] = {}
        for item in self.instances:
            end = self.now if item.ended is None else item.ended
            used = max(end - max(item.launched, since), 0.0)
            sums[item.instance_type] = sums.get(item.instance_type, 0.0) + used
        return sums

    def by_type(self) -> list[InstanceUsage]:
        """The instances of each type."""
        return [
            InstanceUsage(kind, self.count(kind, self.now), self.peak(kind), seconds)
            for kind, seconds in sorted(self.seconds().items())
        ]

    def count(self, instance_type: str, at: float) -> int:
        """The instances of a type at a time, including those that start."""
        return sum(
            item.instance_type == instance_type
            and item.launched <= at
            and (item.ended is None or item.ended > at)
            for item in self.instances
        )

    def peak(self, instance_type: str, since: float = 0.0) -> int:
        """The most instances of a type at a time, since a time."""
        starts = [item.launched for item in self.instances if item.launched > since]
        return max(self.count(instance_type, at) for at in (since, *starts))


Item = EndpointStatus | FunctionStatus | ApiStatus | ProcessStatus


@dataclass(frozen=True)
class CloudStatus:
    """The embedded cloud.

    Attributes:
        started_at: seconds since the epoch.
        memory_bytes: resident memory, without its child processes.
        code_version: see `toolkit.local.state`.
        time_scale: see `toolkit.local.timescale`.
        empty: whether a restart would lose nothing.
        instances: of endpoints by type, since the start, also of deleted ones.
    """

    endpoint_url: str
    instance_id: str
    pid: int
    started_at: float
    uptime_seconds: float
    memory_bytes: int
    code_version: str
    time_scale: float
    empty: bool
    endpoints: tuple[EndpointStatus, ...] = ()
    functions: tuple[FunctionStatus, ...] = ()
    apis: tuple[ApiStatus, ...] = ()
    processes: tuple[ProcessStatus, ...] = ()
    instances: tuple[InstanceUsage, ...] = ()

    @property
    def children_memory_bytes(self) -> int:
        """Resident memory of all child processes."""
        return sum(process.memory_bytes for process in self.processes)

    def to_json(self) -> dict[str, Any]:
        """The body of `/_toolkit/status`."""
        return asdict(self)


_LISTS = ("endpoints", "functions", "apis", "processes")


def by_kind(items: Iterable[Item]) -> dict[str, tuple[Any, ...]]:
    """Group the items of all services by field of `CloudStatus`."""
    all_items = list(items)
    kinds = (EndpointStatus, FunctionStatus, ApiStatus, ProcessStatus)
    return {
        field: tuple(item for item in all_items if isinstance(item, kind))
        for field, kind in zip(_LISTS, kinds, strict=True)
    }
