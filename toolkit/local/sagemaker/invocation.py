"""One invocation of a container, and its errors."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from toolkit.local import upstream
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.metrics import InvocationMetrics

# The time limit of a whole response, and of the first part of a streamed response.
RESPONSE_SECONDS = 60.0
# The time limit of a streamed response, except from a serverless variant.
STREAM_SECONDS = 480.0
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


class InvocationResponse(NamedTuple):
    """A whole response."""

    body: bytes
    headers: Mapping[str, str]


class Invocation:
    """One invocation of one variant.

    Args:
        variant: the variant that gets the request.
        headers: the container's request headers.
        body: the container's request body.
        log_group: ARN of the endpoint's log group, for errors.
        seconds: the time limit of the response, by default that of a real-time endpoint.
    """

    def __init__(
        self,
        variant: Variant,
        headers: list[upstream.Header],
        body: bytes,
        log_group: str,
        *,
        seconds: float | None = None,
    ) -> None:
        self._variant = variant
        self._headers = headers
        self._body = body
        self._log_group = log_group
        self._seconds = RESPONSE_SECONDS if seconds is None else seconds

    async def read(self, instance: Instance | None = None) -> InvocationResponse:
        """Read the whole response.

        Args:
            instance: gets the request; by default chosen by the routing strategy.

        Raises:
            ApiError: no instance is ready, or the container failed or timed out.
        """
        with self._metrics() as metrics:
            try:
                async with asyncio.timeout(self._seconds), self._open(metrics, instance) as response:
                    body = await response.read()
            except TimeoutError as error:
                raise self._timed_out() from error
            except upstream.UpstreamError as error:
                raise self._error(0, f"{error}") from error
        return InvocationResponse(body, self.headers_of(response, "content-type"))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[upstream.Response]:
        """Open the container's successful response; raises like `read`."""
        with self._metrics() as metrics:
            async with self._open(metrics) as response:
                yield dataclasses.replace(response, parts=metrics.stream(response.parts))

    @property
    def stream_seconds(self) -> float:
        """The time limit of a streamed response."""
        return STREAM_SECONDS if self._variant.serverless is None else RESPONSE_SECONDS

    def _metrics(self) -> InvocationMetrics:
        return InvocationMetrics(self._variant.publish, len(self._variant.instances))

    @contextlib.asynccontextmanager
    async def _open(
        self, metrics: InvocationMetrics, instance: Instance | None = None
    ) -> AsyncIterator[upstream.Response]:
        async with contextlib.AsyncExitStack() as stack:
            if self._variant.serverless is not None:
                admission = self._variant.serverless.admit(len(self._body), self._is_ready)
                await stack.enter_async_context(admission)
            instance = self._instance_or_error(instance)
            metrics.mark_sent()
            with instance.serving():
                try:
                    async with asyncio.timeout(self._seconds):
                        response = await stack.enter_async_context(
                            upstream.request(
                                instance.port, "POST", "/invocations", headers=self._headers, body=self._body
                            )
                        )
                        error_body = None if response.status < 300 else await response.read()
                except TimeoutError as error:
                    raise self._timed_out() from error
                except OSError as error:
                    raise self._error(0, f"{error}", instance) from error
                if error_body is not None:
                    raise self._error(response.status, error_body.decode("utf-8", "replace"), instance)
                yield response

    def headers_of(self, response: upstream.Response, content_type: str) -> dict[str, str]:
        """The response headers; `content_type` is the name of the header for the container's content type."""
        headers = {
            content_type: response.header("content-type", "application/octet-stream"),
            "x-amzn-invoked-production-variant": self._variant.name,
            "x-amzn-requestid": str(uuid.uuid4()),
        }
        attributes = response.header(CUSTOM_ATTRIBUTES)
        return {**headers, CUSTOM_ATTRIBUTES: attributes} if attributes else headers

    def _is_ready(self) -> bool:
        return self._variant.choose() is not None

    def _instance_or_error(self, instance: Instance | None) -> Instance:
        chosen = self._variant.choose() if instance is None else instance
        if chosen is None or not chosen.ready:
            message = "The request has failed due to a temporary failure of the server."
            raise ApiError("ServiceUnavailable", message, status=503)
        return chosen

    def _timed_out(self) -> ApiError:
        return self._error(
            0,
            "Your invocation timed out while waiting for a response from container primary. Review the "
            "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
        )

    def _error(self, status: int, message: str, instance: Instance | None = None) -> ApiError:
        side = "client" if 400 <= status < 500 else "server"
        stream = f":log-stream:{instance.log_stream}" if instance else ""
        return ApiError(
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{message}". '
            f"See the log group {self._log_group.partition('log-group:')[2]} for more information.",
            status=424,
            OriginalStatusCode=status,
            OriginalMessage=message,
            LogStreamArn=self._log_group + stream,
        )
