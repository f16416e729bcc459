"""An AI agent: the protocol's own client, connected to `toolkit mcp` over standard input and output."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp.client.session import ClientSession
from mcp.client.stdio import stdio_client

from tests.support.checkout import clean_environment
from tests.support.patience import HANG_SECONDS


@dataclass(frozen=True)
class Result:
    """The result of a tool.

    Attributes:
        is_error: whether the tool failed.
        content: its structured content.
        text: the content that models read.
    """

    is_error: bool
    content: Mapping[str, Any]
    text: str

    @property
    def messages(self) -> str:
        """The command's messages."""
        return "\n".join(self.content["messages"])


@asynccontextmanager
async def connected(project: Path, **environment: str) -> AsyncIterator[ClientSession]:
    """Start the server of a project, and stop it at the end."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "toolkit", "mcp"],
        cwd=project,
        env=clean_environment(**environment),
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def call(session: ClientSession, tool: str, values: Mapping[str, Any], **options: Any) -> Result:
    """Call a tool."""
    options.setdefault("read_timeout_seconds", HANG_SECONDS)
    result = await session.call_tool(tool, dict(values), **options)
    (content,) = result.content
    return Result(result.is_error, result.structured_content, content.text)
