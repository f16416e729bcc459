"""AWS's event stream encoding (`application/vnd.amazon.eventstream`): the encoder."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


class Event:
    """A message type, whose headers are encoded once."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = b"".join(_header(name, value) for name, value in headers.items())

    @classmethod
    def blob(cls, event_type: str) -> Event:
        """An event whose payload is bytes."""
        return cls(
            {
                ":event-type": event_type,
                ":content-type": "application/octet-stream",
                ":message-type": "event",
            }
        )

    def encode(self, payload: bytes) -> bytes:
        """Encode one frame."""
        # Lengths of the frame and of the headers, with a checksum, then everything with a checksum.
        prelude = struct.pack("!II", 16 + len(self._headers) + len(payload), len(self._headers))
        frame = prelude + struct.pack("!I", zlib.crc32(prelude)) + self._headers + payload
        return frame + struct.pack("!I", zlib.crc32(frame))


def exception(exception_type: str, **members: str) -> bytes:
    """Encode a frame that ends the stream with a modelled error, which SDKs raise."""
    event = Event(
        {
            ":exception-type": exception_type,
            ":content-type": "application/json",
            ":message-type": "exception",
        }
    )
    return event.encode(json.dumps(members).encode())


def _header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    head = struct.pack("!B", len(raw_name)) + raw_name
    return head + struct.pack("!BH", _STRING, len(raw_value)) + raw_value
