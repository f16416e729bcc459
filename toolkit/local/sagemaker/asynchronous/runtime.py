"""InvokeEndpointAsync, and the endpoints' queues."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import Response

from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.asynchronous.metrics import report_backlog, report_request
from toolkit.local.sagemaker.asynchronous.models import MAX_INLINE_BYTES, AsyncRequest, settings_of
from toolkit.local.sagemaker.asynchronous.queue import Queue
from toolkit.local.sagemaker.models import Endpoint
from toolkit.local.sagemaker.responses import Endpoints
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import Signature
from toolkit.local.timescale import scaled
from toolkit.local.validation import members_of

# SageMaker publishes backlogs once a minute.
_REPORT_SECONDS = 60.0


class AsyncInference:
    """Asynchronous invocations of endpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._queues: dict[str, Queue] = {}
        self._reporter: asyncio.Task[None] | None = None

    async def invoke(self, request: Request) -> Response:
        """`POST /endpoints/{name}/async-invocations`: queue the request and return its output location."""
        region, name = Signature.of(request.scope).region, request.path_params["name"]
        endpoint = self._endpoints.find(region, name)
        if endpoint is None or not endpoint.traffic.shares:
            raise ApiError("ValidationError", f"Endpoint {name} of account {ACCOUNT_ID} not found.")
        settings = settings_of(endpoint)
        if settings is None:
            message = f"Endpoint {name} of account {ACCOUNT_ID} is not asynchronous: use InvokeEndpoint."
            raise ApiError("ValidationError", message)
        async_request = AsyncRequest.of(members_of(request), await _body(request), settings)
        self._queue(endpoint).put(async_request)
        headers = {"x-amzn-sagemaker-outputlocation": async_request.output_uri}
        if async_request.failure_uri:
            headers["x-amzn-sagemaker-failurelocation"] = async_request.failure_uri
        body = json.dumps({"InferenceId": async_request.inference_id})
        return Response(body, 202, media_type="application/json", headers=headers)

    def start(self) -> None:
        """Start publishing the backlog metrics."""
        self._reporter = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """Cancel all work."""
        if self._reporter is not None:
            self._reporter.cancel()
        await asyncio.gather(*(queue.stop() for queue in self._queues.values()))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(scaled(_REPORT_SECONDS))
            await self._drop_queues()
            for endpoint in self._endpoints:
                if settings_of(endpoint) is not None:
                    queue = self._queues.get(endpoint.arn)
                    size, oldest_age = (queue.size, queue.oldest_age) if queue else (0, 0.0)
                    report_backlog(endpoint, endpoint.traffic.fleets[-1], size, oldest_age)

    async def _drop_queues(self) -> None:
        """Drop the requests of deleted endpoints."""
        endpoints = {id(endpoint) for endpoint in self._endpoints}
        for arn, queue in list(self._queues.items()):
            if id(queue.endpoint) not in endpoints:
                del self._queues[arn]
                await queue.stop()

    def _queue(self, endpoint: Endpoint) -> Queue:
        queue = self._queues.get(endpoint.arn)
        # A new endpoint with the name of a deleted one gets a new queue.
        if queue is None or queue.endpoint is not endpoint:
            queue = self._queues[endpoint.arn] = Queue(endpoint, report_request)
        return queue


async def _body(request: Request) -> bytes:
    """The inline body; only its beginning if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_INLINE_BYTES:
            break
    return bytes(body)
