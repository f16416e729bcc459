"""The log and the metrics of the gateway, which arrive some time after a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.smoke.causes import Commands
from toolkit.smoke.results import FailedError

# As in the gateway.
_NAMESPACE = "InferenceGateway"
_SINCE = timedelta(minutes=15)
_INTERVAL_SECONDS = 2.0
_LOCAL_INTERVAL_SECONDS = 0.2


@dataclass(frozen=True)
class Telemetry:
    """Checks of the log and the metrics.

    Attributes:
        context: the environment.
        outputs: what is deployed.
        seconds: how long to wait for them.
    """

    context: Context
    outputs: Outputs
    seconds: float

    @property
    def _commands(self) -> Commands:
        return Commands(self.context.environment)

    def log(self, request_id: str) -> str:
        """Check that the gateway's log contains a request.

        Raises:
            FailedError: it does not after the time limit, or the log group is missing.
        """
        group, logs = self.outputs.log_groups["gateway"], self.context.access.logs
        since = int((time.time() - _SINCE.total_seconds()) * 1000)

        def arrived() -> bool:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=since, filterPattern=f'"{request_id}"'
            )
            return any(page["events"] for page in pages)

        try:
            seconds = self._wait(arrived, "the request in the log")
        except logs.exceptions.ResourceNotFoundException:
            cause = "it was deleted outside of the toolkit"
            raise FailedError(f"log group {group} does not exist", cause, self._commands("apply")) from None
        if seconds is None:
            raise FailedError(
                f"request {request_id} is not in {group} after {self.seconds:.0f} s",
                "the function's role may not write its log, or the log is delayed",
                self._commands("drift"),
            )
        return f"request {request_id} after {seconds:.1f} s"

    def metrics(self) -> str:
        """Check that CloudWatch has counted requests of the last minutes.

        Raises:
            FailedError: it has not, after the time limit.
        """
        function, now = self.outputs.functions["gateway"], self.context.access.now()

        def count() -> float:
            response = self.context.access.cloudwatch.get_metric_statistics(
                Namespace=_NAMESPACE,
                MetricName="Requests",
                Dimensions=[{"Name": "FunctionName", "Value": function}],
                StartTime=now - _SINCE,
                EndTime=now + _SINCE,
                Period=60,
                Statistics=["Sum"],
            )
            return sum(point["Sum"] for point in response["Datapoints"])

        seconds = self._wait(lambda: count() > 0, "the metrics")
        if seconds is None:
            cause = "the log lines do not arrive, or CloudWatch does not extract their metrics"
            detail = f"no metric {_NAMESPACE} Requests of {function} after {self.seconds:.0f} s"
            raise FailedError(detail, cause, self._commands("logs gateway"))
        return f"{_NAMESPACE} Requests after {seconds:.1f} s"

    def _wait(self, arrived: Callable[[], bool], what: str) -> float | None:
        """The seconds until something has arrived; None if it has not in time."""
        started = time.monotonic()
        if arrived():
            return 0.0
        interval = _LOCAL_INTERVAL_SECONDS if self.context.access.endpoint_url else _INTERVAL_SECONDS
        with self.context.console.progress(f"waiting for {what}"):
            while time.monotonic() - started < self.seconds:
                time.sleep(interval)
                if arrived():
                    return time.monotonic() - started
        return None
