"""Access logs and CloudWatch metrics of finished requests."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from toolkit.local import logs
from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.cloudwatch.service import Metrics

_NAMESPACE = "AWS/ApiGateway"
_VARIABLE = re.compile(r"\$context\.([\w.]*\w)", re.ASCII)
# `arn:aws:logs:<region>:<account>:log-group:<name>`, with or without `:*` at the end.
_LOG_GROUP = re.compile(r"arn:[^:]+:logs:(?P<region>[^:]+):\d*:log-group:(?P<name>[^:]+)(:\*)?")


class Recorded(Response):
    """A response that is recorded at its end, even if it fails.

    Args:
        response: the wrapped response.
        request: its request, whose outcome is set.
        done: called at the end.
    """

    def __init__(self, response: Response, request: ApiRequest, done: Callable[[ApiRequest], None]) -> None:
        self._response = response
        self._request = request
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = self._request.outcome

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                outcome.status = message["status"]
            outcome.length += len(message.get("body", b""))
            await send(message)

        try:
            await self._response(scope, receive, counting)
        finally:
            outcome.seconds = time.monotonic() - self._request.started
            self._done(self._request)


class Recorder:
    """Writes access logs and publishes metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, request: ApiRequest) -> None:
        """Record a finished request."""
        _write_log(request)
        self._publish(request)

    def _publish(self, request: ApiRequest) -> None:
        outcome, stage = request.outcome, request.stage
        dimensions = [{"ApiName": stage.api_name}, {"ApiName": stage.api_name, "Stage": stage.name}]
        method = request.method
        if method is not None and stage.settings_of(f"{method.resource}/{method.http_method}").get(
            "metricsEnabled"
        ):
            detail = {"Resource": method.resource, "Method": request.http_method}
            dimensions.append({**dimensions[1], **detail})
        values = [
            ("Count", 1.0, "Count"),
            ("4XXError", float(400 <= outcome.status < 500), "Count"),
            ("5XXError", float(outcome.status >= 500), "Count"),
            ("Latency", outcome.seconds * 1000, "Milliseconds"),
        ]
        if outcome.integration_seconds is not None:
            values.append(("IntegrationLatency", outcome.integration_seconds * 1000, "Milliseconds"))
        for name, value, unit in values:
            self._metrics.put(stage.region, _NAMESPACE, name, value, unit, dimensions)


def _write_log(request: ApiRequest) -> None:
    settings = request.stage.access_log
    group = _LOG_GROUP.fullmatch(settings.destination) if settings else None
    if settings is None or group is None:
        return
    line = _VARIABLE.sub(lambda match: request.variable(match[1]) or "-", settings.template)
    stream = hashlib.md5(request.stage.arn.encode(), usedforsecurity=False).hexdigest()
    logs.put(group["name"], stream, [line], region=group["region"])
