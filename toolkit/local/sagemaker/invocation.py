"""One invocation of a container, and the errors that it can end with."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping

from toolkit.local import upstream
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.metrics import Measure

# A container has so long for its whole answer, or for the first part of a streamed one.
RESPONSE_SECONDS = 60.0
# A container has so long for the last part of a streamed answer, unless it is serverless.
STREAM_SECONDS = 480.0
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


class Whole:
    """A complete answer."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = headers


class Call:
    """One invocation of one variant.

    Args:
        variant: chosen for it.
        headers: for the container.
        body: for the container.
        log_group: ARN of the endpoint's, for errors.
        seconds: how long the answer may take, if not as long as a real-time endpoint's.
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

    async def read(self, instance: Instance | None = None) -> Whole:
        """The whole answer.

        Args:
            instance: that is to give it; by default the one that the configuration routes to.

        Raises:
            ApiError: the container does not serve, refused, failed, or took too long.
        """
        with self._measure() as measure:
            try:
                async with asyncio.timeout(self._seconds), self._open(measure, instance) as answer:
                    body = await answer.read()
            except TimeoutError as error:
                raise self._timed_out() from error
            except upstream.UpstreamError as error:
                raise self._error(0, f"{error}") from error
        return Whole(body, self.headers_of(answer, "content-type"))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[upstream.Answer]:
        """The beginning of the container's answer, which is a success; errors as of `read`."""
        with self._measure() as measure:
            async with self._open(measure) as answer:
                yield dataclasses.replace(answer, parts=measure.stream(answer.parts))

    @property
    def stream_seconds(self) -> float:
        """How long the container has for the last part of a streamed answer."""
        return STREAM_SECONDS if self._variant.serverless is None else RESPONSE_SECONDS

    def _measure(self) -> Measure:
        return Measure(self._variant.publish, len(self._variant.instances))

    @contextlib.asynccontextmanager
    async def _open(
        self, measure: Measure, instance: Instance | None = None
    ) -> AsyncIterator[upstream.Answer]:
        async with contextlib.AsyncExitStack() as stack:
            if self._variant.serverless is not None:
                admitted = self._variant.serverless.admitted(len(self._body), self._is_ready)
                await stack.enter_async_context(admitted)
            instance = self._chosen(instance)
            measure.sent()
            with instance.serving():
                try:
                    async with asyncio.timeout(self._seconds):
                        answer = await stack.enter_async_context(
                            upstream.request(
                                instance.port, "POST", "/invocations", headers=self._headers, body=self._body
                            )
                        )
                        refusal = None if answer.status < 300 else await answer.read()
                except TimeoutError as error:
                    raise self._timed_out() from error
                except OSError as error:
                    raise self._error(0, f"{error}", instance) from error
                if refusal is not None:
                    raise self._error(answer.status, refusal.decode("utf-8", "replace"), instance)
                yield answer

    def headers_of(self, answer: upstream.Answer, content_type: str) -> dict[str, str]:
        """The headers of the answer; `content_type` names the one for the container's content type."""
        headers = {
            content_type: answer.header("content-type", "application/octet-stream"),
            "x-amzn-invoked-production-variant": self._variant.name,
        }
        attributes = answer.header(CUSTOM_ATTRIBUTES)
        return {**headers, CUSTOM_ATTRIBUTES: attributes} if attributes else headers

    def _is_ready(self) -> bool:
        return self._variant.choose() is not None

    def _chosen(self, instance: Instance | None) -> Instance:
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
