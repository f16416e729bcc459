"""SageMaker as a service of the cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.awsapi import SignedRoute, TargetRoute, json_response
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker.asynchronous.runtime import AsyncInference
from toolkit.local.sagemaker.meter import METER
from toolkit.local.sagemaker.metrics import publish_concurrency
from toolkit.local.sagemaker.models import Tags
from toolkit.local.sagemaker.responses import Definitions, Endpoints, Operation
from toolkit.local.sagemaker.runtime import Runtime
from toolkit.local.sagemaker.serverless import stop_idle_instances
from toolkit.local.service import Cloud
from toolkit.local.signature import Signature
from toolkit.local.status import EndpointStatus, Item, ProcessStatus
from toolkit.local.validation import members_of


class SageMakerService:
    """SageMaker hosting and its runtime; moto serves the rest of SageMaker."""

    def __init__(self, cloud: Cloud, enforcement: Enforcement, metrics: Metrics) -> None:
        self._tags = Tags()
        enforcement.account.tags.add_source("sagemaker", lambda arn: self._tags.by_key(str(arn)))
        definitions = Definitions(self._tags, enforcement)
        self.endpoints = Endpoints(cloud, enforcement, metrics, definitions, self._tags)
        self._runtime = Runtime(self.endpoints)
        self._asynchronous = AsyncInference(self.endpoints)
        self._operations: dict[str, Operation] = {
            **definitions.operations(),
            **self.endpoints.operations(),
        }
        self._tasks: list[asyncio.Task[None]] = []

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        path = "/endpoints/{name}/invocations"
        async_path = "/endpoints/{name}/async-invocations"
        stream = self._runtime.invoke_with_response_stream
        return [
            TargetRoute("SageMaker", self._operations, self._handle),
            SignedRoute("sagemaker", path, self._runtime.invoke, methods=["POST"]),
            SignedRoute("sagemaker", f"{path}-response-stream", stream, methods=["POST"]),
            SignedRoute("sagemaker", async_path, self._asynchronous.invoke, methods=["POST"]),
            *self.endpoints.credentials.routes(),
            METER.route(),
        ]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""
        self._tasks = [
            asyncio.create_task(publish_concurrency(self.endpoints.variants)),
            asyncio.create_task(stop_idle_instances(self.endpoints.variants)),
        ]
        self._asynchronous.start()

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""
        for task in self._tasks:
            task.cancel()
        await self._runtime.stop()
        await self._asynchronous.stop()
        await self.endpoints.stop()

    def status(self) -> Iterator[Item]:
        """See `toolkit.local.service.Service`."""
        for endpoint in self.endpoints:
            yield EndpointStatus(
                endpoint.name, endpoint.region, endpoint.status, endpoint.configuration, endpoint.reason
            )
            for fleet in endpoint.fleets:
                for instance in fleet.instances:
                    child = instance.child
                    if child is not None:
                        name = f"{endpoint.name}/{instance.log_stream}"
                        yield ProcessStatus("model", name, child.pid, child.memory_bytes())

    async def _handle(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        response = self._operations[operation](Signature.of(request.scope).region, members_of(request))
        return json_response(response)
