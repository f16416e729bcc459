"""Clients that disconnect before the end of their response."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send


class DisconnectMiddleware:
    """Ends such requests without an error in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def until_disconnect(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block when the client disconnects; the request must have been read completely.

    Raises:
        ClientDisconnect: the client disconnected.
    """
    try:
        async with asyncio.timeout(None) as limit:
            watch = asyncio.create_task(_end_on_disconnect(receive, limit))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError as error:
        if limit.expired():
            raise ClientDisconnect from error
        raise


async def _end_on_disconnect(receive: Receive, limit: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    limit.reschedule(asyncio.get_running_loop().time())
