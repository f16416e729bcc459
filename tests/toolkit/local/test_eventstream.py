from __future__ import annotations

import json

from botocore.eventstream import EventStreamBuffer

from toolkit.local import eventstream


def decode(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    buffer = EventStreamBuffer()
    # In chunks that do not match the frames.
    for start in range(0, len(data), 7):
        buffer.add_data(data[start : start + 7])
    return [(message.headers, message.payload) for message in buffer]


def test_events_are_read_by_botocore() -> None:
    part = eventstream.Event.blob("PayloadPart")
    payloads = [b"data: one\n\n", b"", "zwei ä".encode(), bytes(range(256)) * 300]
    frames = decode(b"".join(part.encode(payload) for payload in payloads))
    assert [payload for _, payload in frames] == payloads
    assert frames[0][0] == {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }


def test_exceptions_are_read_by_botocore() -> None:
    [(headers, payload)] = decode(eventstream.exception("ModelStreamError", Message="m", ErrorCode="c"))
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "ModelStreamError"
    assert json.loads(payload) == {"Message": "m", "ErrorCode": "c"}
