"""A server that responds to each request at once, to measure the load generator's own limit.

    python -m toolkit.bench.null_server PARTS

It prints its port, and ends with its standard input. Each response is a stream of PARTS parts, one per turn
of the event loop, so that they arrive one by one as those of a model do.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Final

_LENGTH: Final = re.compile(rb"content-length: (\d+)")
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(document: dict[str, object] | str) -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    event = f"data: {text}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _events(parts: int) -> list[bytes]:
    """The response in the size of a real one."""
    shared = {"id": "chatcmpl-" + "0" * 32, "object": "chat.completion.chunk", "created": 1, "model": "null"}
    text = {"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}
    end = {**text, "delta": {}, "finish_reason": "length"}
    usage = {"prompt_tokens": 1, "completion_tokens": parts, "total_tokens": parts + 1}
    return [
        *[_event({**shared, "choices": [text], "usage": None})] * parts,
        _event({**shared, "choices": [end], "usage": None}),
        _event({**shared, "choices": [], "usage": usage}) + _event("[DONE]") + b"0\r\n\r\n",
    ]


class _Connection(asyncio.Protocol):
    def __init__(self, events: list[bytes]) -> None:
        self._events = events
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head.lower())
        if separator and length and len(body) >= int(length[1]):
            self._received = b""
            self._transport.write(_HEAD)
            self._send(0)

    def _send(self, index: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(self._events[index])
        if index + 1 < len(self._events):
            asyncio.get_running_loop().call_soon(self._send, index + 1)


async def _serve(parts: int) -> None:
    loop = asyncio.get_running_loop()
    events = _events(parts)
    server = await loop.create_server(lambda: _Connection(events), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
