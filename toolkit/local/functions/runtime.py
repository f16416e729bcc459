"""Runs Lambda functions, for the Invoke APIs and for API Gateway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.exceptions import FunctionError, RefusedError
from toolkit.local.functions.instance import Instance, InstanceLog
from toolkit.local.functions.invocation import Invocation, ResponseStream, new_request_id
from toolkit.local.functions.lifecycle import Instances
from toolkit.local.functions.metrics import FunctionMetrics
from toolkit.local.functions.models import Function, unreserved
from toolkit.local.functions.runtime_api import HandlerInstance
from toolkit.local.functions.sandbox import Sandbox
from toolkit.local.functions.web_adapter import WebInstance
from toolkit.local.iam.enforcement import DeniedError, Enforcement, SessionCredentials
from toolkit.local.service import Cloud
from toolkit.project import Project
from toolkit.tool_venvs import ToolVenv, ensure

_log = logging.getLogger(__name__)

_REAP_SECONDS = 5.0


class Runner:
    """Runs Lambda functions.

    Args:
        cloud: the cloud.
        enforcement: issues credentials of their roles.
        metrics: receives their metrics.
        runtime: creates the Python environment of their processes; called once, in a thread.
    """

    def __init__(
        self,
        cloud: Cloud,
        enforcement: Enforcement,
        metrics: Metrics,
        runtime: Callable[[], ToolVenv] | None = None,
    ) -> None:
        self._cloud = cloud
        self._enforcement = enforcement
        self._metrics = metrics
        self._measure = FunctionMetrics(metrics)
        self._concurrency = Concurrency()
        self._make_runtime = runtime or self._default_runtime
        self._instances = Instances(self._new_instance)
        self._runtime: asyncio.Task[ToolVenv] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start installing the Python environment that the first function needs."""
        self.spawn(self._prepare())
        self.spawn(self._reap())

    async def stop(self) -> None:
        """Stop all instances."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._instances.end_all()

    @property
    def instances(self) -> Iterator[Instance]:
        """All instances."""
        return iter(self._instances)

    async def retire(self, arn: str) -> None:
        """See `Instances.retire`."""
        await self._instances.retire(arn)

    def invoke(
        self,
        target: Function,
        event: bytes,
        client_context: str | None = None,
        *,
        request_id: str | None = None,
        trace_id: str | None = None,
    ) -> ResponseStream:
        """Invoke a function in the background.

        Args:
            target: the function.
            event: a JSON document.
            client_context: JSON, if the caller sent one.
            request_id: of a retried invocation.
            trace_id: X-Ray's header, if the caller sent one.
        """
        request_id = request_id or new_request_id()
        timeout = target.timeout_seconds
        invocation = Invocation(event, target.arn, timeout, client_context, request_id, trace_id)
        stream = ResponseStream(invocation.request_id)
        stream.run(self.spawn(self._run(target, invocation, stream)))
        return stream

    async def _run(self, target: Function, invocation: Invocation, stream: ResponseStream) -> None:
        try:
            with self._concurrency.slot(target) as concurrent:
                await self._run_in_instance(target, invocation, stream, concurrent)
        except RefusedError as error:
            self._measure.throttled(target)
            await stream.end(error)
        except FunctionError as error:
            await stream.end(error)
        except Exception as error:  # noqa: BLE001 a fault of the cloud; the caller must not wait forever
            _log.exception("cannot run function %s", target.name)
            await stream.end(FunctionError("ServiceException", f"the embedded cloud failed: {error}"))

    async def _run_in_instance(
        self, target: Function, invocation: Invocation, stream: ResponseStream, concurrent: int
    ) -> None:
        started = time.monotonic()
        failed = True
        try:
            instance = await self._instances.acquire(target)
            started = time.monotonic()
            try:
                failed = await instance.run(invocation, stream) is not None
            finally:
                await self._instances.release(instance)
        finally:
            self._measure.invoked(target, time.monotonic() - started, concurrent, failed=failed)

    async def _new_instance(self, target: Function) -> Instance:
        if not target.code:
            message = "The embedded cloud runs no container images: use a zip file."
            raise FunctionError("Runtime.InvalidEntrypoint", message)
        log = InstanceLog(target, self._metrics)
        credentials = self._credentials(target)
        try:
            sandbox = Sandbox(self._cloud, await self._tools(), credentials)
        except (ToolkitError, OSError) as error:
            log.line(f"[ERROR] cannot install the Python environment of functions: {error}")
            raise FunctionError("Runtime.Unavailable", str(error)) from error
        kind = WebInstance if target.is_web else HandlerInstance
        instance = kind(target, log, sandbox)
        instance.expires_at = credentials.expiration.timestamp()
        return instance

    def _credentials(self, target: Function) -> SessionCredentials:
        try:
            return self._enforcement.issue_role_credentials(
                target.role, "lambda.amazonaws.com", target.name, region=target.region, source_arn=target.arn
            )
        except DeniedError as error:
            message = "The role defined for the function cannot be assumed by Lambda."
            raise RefusedError("AccessDeniedException", message, status=403) from error

    async def _tools(self) -> ToolVenv:
        """The Python environment. Retry a failed installation."""
        failed = self._runtime is not None and self._runtime.done() and self._runtime.exception() is not None
        if self._runtime is None or failed:
            self._runtime = asyncio.create_task(asyncio.to_thread(self._make_runtime))
        return await asyncio.shield(self._runtime)

    async def _prepare(self) -> None:
        try:
            await self._tools()
        except (ToolkitError, OSError) as error:
            _log.warning("cannot install the Python environment of functions: %s", error)

    def _default_runtime(self) -> ToolVenv:
        return ensure(Project.find(self._cloud.directory), "lambda-runtime", Console(interactive=False))

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(_REAP_SECONDS)
            await self._instances.reap()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a background task, which is cancelled when the service stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class Concurrency:
    """Counts invocations in progress."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def slot(self, function: Function) -> Iterator[int]:
        """Count one invocation until the end of the block.

        Yields:
            Invocations of the function in progress, including this one.

        Raises:
            RefusedError: the limit is reached.
        """
        # All versions share the reserved concurrency, and all functions without one share the rest.
        name = f"{function.region}:{function.name}"
        reserved = function.reserved_concurrency is not None
        pool = name if reserved else function.region
        limit = function.reserved_concurrency if reserved else unreserved(function.region)
        if self._running[pool] >= (limit or 0):
            kind = "ReservedFunctionConcurrent" if reserved else "Concurrent"
            raise RefusedError(
                "TooManyRequestsException",
                "Rate Exceeded.",
                status=429,
                Reason=f"{kind}InvocationLimitExceeded",
            )
        counted = {name, pool}
        self._running.update(counted)
        try:
            yield self._running[name]
        finally:
            self._running.subtract(counted)
