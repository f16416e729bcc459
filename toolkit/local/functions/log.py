"""The log stream of one instance, with the platform's own lines."""

from __future__ import annotations

import base64
import datetime
import math
import uuid
from collections import deque

from toolkit.local import logs
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.errors import TIMED_OUT
from toolkit.local.functions.function import Function

# What `LogType=Tail` of the Invoke API returns.
TAIL_BYTES = 4096
_TAIL_LINES = 200


class InstanceLog:
    """Lines of one instance of a function.

    Args:
        function: whose they are.
        metrics: where metrics go that are embedded in them.

    Attributes:
        stream: its name, as Lambda makes it.
    """

    def __init__(self, function: Function, metrics: Metrics) -> None:
        today = datetime.datetime.now(datetime.UTC)
        self.stream = f"{today:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._function = function
        self._metrics = metrics
        self._recent: deque[str] = deque(maxlen=_TAIL_LINES)

    def line(self, text: str) -> None:
        """Add a line."""
        self._recent.append(text)
        logs.put(self._function.log_group, self.stream, [text], region=self._function.region)
        self._metrics.put_embedded(self._function.region, text)

    def init_start(self) -> None:
        """A process begins to get ready."""
        self.line(f"INIT_START Runtime Version: {self._function.runtime.replace('python', 'python:')}")

    def start(self, request_id: str) -> None:
        """An invocation begins."""
        self._recent.clear()
        self.line(f"START RequestId: {request_id} Version: {self._function.version}")

    def init_report(self, seconds: float, error_type: str) -> None:
        """The process did not get ready."""
        status = "timeout" if error_type == TIMED_OUT else f"error\tError Type: {error_type}"
        self.line(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: {status}")

    def report(
        self,
        request_id: str,
        seconds: float,
        memory_bytes: int,
        init_seconds: float | None,
        status: str | None,
    ) -> None:
        """An invocation is over.

        Args:
            request_id: its.
            seconds: how long it took.
            memory_bytes: the most that the process had.
            init_seconds: how long the process took to get ready, if this was its first invocation.
            status: what went wrong, in Lambda's words.
        """
        duration = seconds * 1000
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration:.2f} ms",
            f"Billed Duration: {math.ceil(duration)} ms",
            f"Memory Size: {self._function.memory_mb} MB",
            f"Max Memory Used: {memory_bytes // 2**20} MB",
        ]
        if init_seconds is not None:
            fields.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
        if status is not None:
            fields.append(f"Status: {status}")
        self.line(f"END RequestId: {request_id}")
        self.line("\t".join(fields))

    def tail(self) -> str:
        """The end of the last invocation's lines, base64."""
        text = "".join(f"{line}\n" for line in self._recent).encode()
        return base64.b64encode(text[-TAIL_BYTES:]).decode()
