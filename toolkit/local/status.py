"""What runs in the embedded cloud, as services report it and clients read it.

Standard library only: the client must not load the cloud's dependencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EndpointStatus:
    """A SageMaker endpoint.

    Attributes:
        status: SageMaker's word, such as `Creating` or `InService`.
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
        instances: processes that run it now, warm ones included.
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
        name: what it runs, such as `<endpoint>/<variant>/<instance>` or the function's name.
        memory_bytes: resident memory of it and its own children.
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
        endpoint_url: its address.
        started_at: seconds since the epoch.
        uptime_seconds: how long it runs.
        memory_bytes: resident memory of the cloud itself, without its child processes.
        code_version: digest of the toolkit's code that it runs.
        time_scale: seconds in it for a second of AWS; see `toolkit.local.timescale`.
        empty: whether nothing would be lost by a restart.
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
        """As `/_toolkit/status` answers it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CloudStatus:
        """Read what `to_json` made."""
        return cls(
            **{name: value for name, value in data.items() if name not in _LISTS},
            endpoints=tuple(EndpointStatus(**item) for item in data["endpoints"]),
            functions=tuple(FunctionStatus(**item) for item in data["functions"]),
            apis=tuple(ApiStatus(**{**item, "stages": tuple(item["stages"])}) for item in data["apis"]),
            processes=tuple(ProcessStatus(**item) for item in data["processes"]),
        )


_LISTS = ("endpoints", "functions", "apis", "processes")


def by_kind(items: Iterable[Item]) -> dict[str, tuple[Any, ...]]:
    """Sort what the services report into the fields of `CloudStatus`."""
    everything = list(items)
    kinds = (EndpointStatus, FunctionStatus, ApiStatus, ProcessStatus)
    return {
        field: tuple(item for item in everything if isinstance(item, kind))
        for field, kind in zip(_LISTS, kinds, strict=True)
    }
