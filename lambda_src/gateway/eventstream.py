"""AWS's event stream encoding (`application/vnd.amazon.eventstream`): the decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

# Lengths of the message and of its headers, and the checksum of both; then headers, payload, checksum of all.
_PRELUDE: Final = struct.Struct("!III")
_CHECKSUM: Final = struct.Struct("!I")
# botocore's limits.
_MAX_HEADERS_BYTES: Final = 128 * 1024
_MAX_PAYLOAD_BYTES: Final = 24 * 1024 * 1024
# Sizes of values by type: booleans, integers, a timestamp, a UUID; others begin with their size.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class EventStreamError(Exception):
    """The data is not an event stream, or has changed on its way."""


class Message(NamedTuple):
    """One message.

    Attributes:
        headers: those whose values are strings.
        payload: its bytes.
    """

    headers: dict[str, str]
    payload: bytes


class Decoder:
    """Decodes messages that arrive split anywhere.

    Attributes:
        pending: bytes of a message that is not complete.
    """

    def __init__(self) -> None:
        self.pending = b""
        # Messages of one kind have the same headers.
        self._headers: tuple[bytes, dict[str, str]] = (b"", {})

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes.

        Raises:
            EventStreamError: it is not an event stream, or a checksum is wrong.
        """
        data = self.pending + data
        start = 0
        while len(data) - start >= _PRELUDE.size:
            length, headers_length, checksum = _PRELUDE.unpack_from(data, start)
            if crc32(data[start : start + 8]) != checksum:
                raise EventStreamError("checksum of the prelude")
            payload_length = length - headers_length - _PRELUDE.size - _CHECKSUM.size
            if headers_length > _MAX_HEADERS_BYTES or not 0 <= payload_length <= _MAX_PAYLOAD_BYTES:
                raise EventStreamError(f"message of {length} bytes with headers of {headers_length}")
            if len(data) - start < length:
                break
            message = data[start : start + length]
            start += length
            if crc32(message[: -_CHECKSUM.size]) != _CHECKSUM.unpack(message[-_CHECKSUM.size :])[0]:
                raise EventStreamError("checksum of the message")
            end = _PRELUDE.size + headers_length
            yield Message(self._decoded(message[_PRELUDE.size : end]), message[end : -_CHECKSUM.size])
        self.pending = data[start:]

    def _decoded(self, encoded: bytes) -> dict[str, str]:
        if encoded != self._headers[0]:
            try:
                self._headers = (encoded, _headers(encoded))
            except (KeyError, IndexError, ValueError, struct.error) as error:
                raise EventStreamError("headers") from error
        return self._headers[1]


def _headers(encoded: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    names: set[str] = set()
    at = 0
    while at < len(encoded):
        end = at + 1 + encoded[at]
        name, kind = encoded[at + 1 : end].decode(), encoded[end]
        at = end + 1
        if kind in (_BYTES, _STRING):
            (size,) = struct.unpack_from("!H", encoded, at)
            at += 2
        else:
            size = _SIZES[kind]
        if name in names or at + size > len(encoded):
            raise ValueError(name)
        names.add(name)
        if kind == _STRING:
            headers[name] = encoded[at : at + size].decode()
        at += size
    return headers
