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
