"""SageMaker's time limits, shortened, with a slow container."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from botocore.eventstream import EventStreamBuffer

from tests.support.patience import HANG_SECONDS
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker import invocation, runtime
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance, Program

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def against_container(first: bytes, scenario: Callable[[invocation.Invocation], Awaitable[None]]) -> None:
    """Run `scenario` with an invocation of a container that sends `first` and nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await reader.read()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(HANG_SECONDS):
            variant = Variant.of({"VariantName": "AllTraffic"}, {})
            program = Program([], {}, Path(), "/group", "AllTraffic", "us-east-1", 1)
            port = server.sockets[0].getsockname()[1]
            variant.instances.append(Instance(program, port=port, ready=True))
            await scenario(invocation.Invocation(variant, [], b"{}", "arn:aws:logs:r:a:log-group:/group"))
            assert variant.instances[0].in_flight == 0

    asyncio.run(main())


@pytest.mark.parametrize("first", [b"", HEAD + b"3\r\none\r\n"])
def test_a_whole_response_times_out(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "RESPONSE_SECONDS", 0.2)

    async def scenario(invoked: invocation.Invocation) -> None:
        with pytest.raises(ApiError) as error:
            await invoked.read()
        assert (error.value.code, error.value.status) == ("ModelError", 424)
        assert error.value.members["OriginalStatusCode"] == 0
        assert "timed out while waiting for a response" in error.value.message

    against_container(first, scenario)


def test_a_stream_times_out_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "STREAM_SECONDS", 0.2)

    async def scenario(invoked: invocation.Invocation) -> None:
        buffer = EventStreamBuffer()
        async with invoked.open() as response:
            async for frame in runtime.frames(response, invoked.stream_seconds):
                buffer.add_data(frame)
        part, end = list(buffer)
        assert part.payload == b"one"
        assert end.headers[":exception-type"] == "ModelStreamError"
        assert json.loads(end.payload)["ErrorCode"] == "ModelInvocationTimeExceeded"

    against_container(HEAD + b"3\r\none\r\n", scenario)


def test_without_a_ready_container_the_error_is_retryable() -> None:
    async def scenario() -> None:
        variant = Variant.of({"VariantName": "AllTraffic"}, {})
        with pytest.raises(ApiError) as error:
            await invocation.Invocation(variant, [], b"{}", "arn").read()
        assert (error.value.code, error.value.status) == ("ServiceUnavailable", 503)

    asyncio.run(scenario())
