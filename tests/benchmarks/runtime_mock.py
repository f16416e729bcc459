"""A mock of what gateways speak to: SageMaker's runtime, Bedrock's, and an OpenAI-compatible server.

    python -m tests.benchmarks.runtime_mock PORT

Every response has the same content and is sent at once, so that only the gateway in front takes time.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any, Final

from toolkit.local.eventstream import MEDIA_TYPE, Event

DELTAS: Final = 64
MODEL: Final = "mock"
TEXT: Final = " lighthouse"
_OUTPUT: Final = TEXT * DELTAS
_USAGE: Final = {"prompt_tokens": 20, "completion_tokens": DELTAS, "total_tokens": 20 + DELTAS}
_CONTENT_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _sse(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": MODEL}
    return {**head, "choices": [choice], **more}


# As vLLM streams: the role, the deltas, the end, the token counts.
_EVENTS: Final = [
    _sse(_chunk({"role": "assistant", "content": ""})),
    *[_sse(_chunk({"content": TEXT}))] * DELTAS,
    _sse(_chunk({}, "stop")),
    _sse({**_chunk({}), "choices": [], "usage": _USAGE}),
    b"data: [DONE]\n\n",
]
_WHOLE: Final = {
    **_chunk({}),
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": _OUTPUT}, "finish_reason": "stop"}],
    "usage": _USAGE,
}
_BEDROCK_USAGE: Final = {"inputTokens": 20, "outputTokens": DELTAS, "totalTokens": 20 + DELTAS}
_BEDROCK_MODEL: Final = {
    "modelId": MODEL,
    "modelName": MODEL,
    "inputModalities": ["TEXT"],
    "responseStreamingSupported": True,
}


def _bedrock(event_type: str, **members: Any) -> bytes:
    headers = {":event-type": event_type, ":content-type": "application/json", ":message-type": "event"}
    return Event(headers).encode(json.dumps(members).encode())


_BEDROCK_EVENTS: Final = [
    _bedrock("messageStart", role="assistant"),
    *[_bedrock("contentBlockDelta", delta={"text": TEXT}, contentBlockIndex=0)] * DELTAS,
    _bedrock("contentBlockStop", contentBlockIndex=0),
    _bedrock("messageStop", stopReason="end_turn"),
    _bedrock("metadata", usage=_BEDROCK_USAGE, metrics={"latencyMs": 1}),
]
_BEDROCK_WHOLE: Final = {
    "output": {"message": {"role": "assistant", "content": [{"text": _OUTPUT}]}},
    "stopReason": "end_turn",
    "usage": _BEDROCK_USAGE,
    "metrics": {"latencyMs": 1},
}


def _streamed(media_type: str, parts: list[bytes]) -> bytes:
    # A chunk per event, as servers write them.
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + body + b"0\r\n\r\n"


def _whole(document: dict[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )


_part = Event.blob("PayloadPart")
_RESPONSES: Final = {
    "/invocations-response-stream": _streamed(MEDIA_TYPE, [_part.encode(event) for event in _EVENTS]),
    "/invocations": _whole(_WHOLE),
    "/chat/completions?stream": _streamed("text/event-stream", _EVENTS),
    "/chat/completions": _whole(_WHOLE),
    "/converse-stream": _streamed(MEDIA_TYPE, _BEDROCK_EVENTS),
    "/converse": _whole(_BEDROCK_WHOLE),
    "/foundation-models": _whole({"modelSummaries": [_BEDROCK_MODEL]}),
    "/inference-profiles": _whole({"inferenceProfileSummaries": []}),
}


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = int(match[1]) if (match := _CONTENT_LENGTH.search(head)) else 0
        if separator and len(rest) >= length:
            body, self._buffer = rest[:length], rest[length:]
            self._transport.write(_response(head, body))


def _response(head: bytes, body: bytes) -> bytes:
    path = head.split(b" ")[1].decode().partition("?")[0]
    streamed = bool(json.loads(body or b"{}").get("stream"))
    if path.endswith("/chat/completions") and streamed:
        path += "?stream"
    if path == "/":
        # LiteLLM's provider for SageMaker sends all requests to the configured address.
        path = "/invocations-response-stream" if streamed else "/invocations"
    for ending, response in _RESPONSES.items():
        if path.endswith(ending):
            return response
    return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=256)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
