"""Functions with a handler: a process of AWS's own runtime client, or of ours where it has none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from toolkit.local import children
from toolkit.local.children import Child
from toolkit.local.functions.errors import FunctionError
from toolkit.local.functions.function import Function
from toolkit.local.functions.instance import Instance
from toolkit.local.functions.invocation import Invocation
from toolkit.local.functions.log import InstanceLog
from toolkit.local.functions.runtime_api import RuntimeApi
from toolkit.local.functions.sandbox import Sandbox

# Wheels of awslambdaric exist for Linux only.
_OWN_RUNTIME = Path(__file__).with_name("python_runtime.py")


class HandlerInstance(Instance):
    """A process that fetches its requests from a Runtime API."""

    def __init__(self, function: Function, log: InstanceLog, sandbox: Sandbox) -> None:
        super().__init__(function, log)
        self._sandbox = sandbox
        self._api = RuntimeApi()
        self._child: Child | None = None
        self._exited: asyncio.Task[int] | None = None

    @property
    def child(self) -> Child | None:
        return self._child

    async def _start(self) -> None:
        task_root = await self._sandbox.task_root(self.function)
        environment = self._sandbox.environment(
            self.function, task_root, self.log, AWS_LAMBDA_RUNTIME_API=await self._api.start()
        )
        try:
            self._child = await children.start(
                self._command(), env=environment, cwd=task_root, on_output=self.log.line
            )
        except OSError as error:
            raise FunctionError("Runtime.InvalidEntrypoint", f"Error: {error}") from error
        self._exited = asyncio.create_task(self._child.wait())
        ready = asyncio.create_task(self._api.ready.wait())
        await asyncio.wait({ready, self._exited}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._api.init_error is not None:
            raise self._api.init_error
        if self._exited.done():
            raise self.exit_error()

    def _command(self) -> list[str]:
        if self.function.exec_wrapper is not None:
            # The program that AWS would start instead of the runtime is in a layer that is not attached.
            return [self.function.exec_wrapper]
        python = str(self._sandbox.runtime.python)
        if (self._sandbox.runtime.site_packages / "awslambdaric").is_dir():
            return [python, "-m", "awslambdaric", self.function.handler]
        return [python, str(_OWN_RUNTIME), self.function.handler]

    async def _parts(self, invocation: Invocation) -> AsyncGenerator[bytes]:
        assert self._exited is not None  # noqa: S101 - started
        outcome = self._api.offer(invocation)
        ends: list[asyncio.Future[Any]] = [outcome, self._exited]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # It still works on this request, and can't be told to stop.
            self.usable = False
            raise
        if not outcome.done():
            raise self.exit_error(invocation)
        yield outcome.result()

    async def stop(self) -> None:
        await super().stop()
        self._api.close()
