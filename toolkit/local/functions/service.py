"""Lambda as a service of the cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute

from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions import models
from toolkit.local.functions.asynchronous import AsyncInvocations
from toolkit.local.functions.metrics import FunctionMetrics
from toolkit.local.functions.responses import InvokeApi
from toolkit.local.functions.runtime import Runner
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.service import Cloud
from toolkit.local.status import FunctionStatus, Item, ProcessStatus

_RETIRE_SECONDS = 60.0


class FunctionService:
    """Lambda's data plane. moto is the control plane.

    Attributes:
        runner: runs the functions.
    """

    def __init__(self, cloud: Cloud, enforcement: Enforcement, metrics: Metrics) -> None:
        self.runner = Runner(cloud, enforcement, metrics)
        self._api = InvokeApi(self.runner, AsyncInvocations(self.runner, FunctionMetrics(metrics)))

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return self._api.routes()

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""
        loop = asyncio.get_running_loop()

        def changed(arn: str) -> None:
            # moto's thread waits: the processes of a deleted function are gone before the response.
            asyncio.run_coroutine_threadsafe(self.runner.retire(arn), loop).result(_RETIRE_SECONDS)

        models.extend(changed)
        self.runner.start()

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""
        await self.runner.stop()

    def status(self) -> Iterable[Item]:
        """Functions and their processes."""
        running = list(self.runner.instances)
        for region, name, arn in models.names():
            yield FunctionStatus(name, region, sum(instance.function.arn == arn for instance in running))
        for instance in running:
            if instance.child is not None and instance.alive:
                memory = instance.child.memory_bytes()
                yield ProcessStatus("function", instance.function.name, instance.child.pid, memory)
