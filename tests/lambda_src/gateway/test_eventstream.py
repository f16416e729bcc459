"""The decoder of event streams, compared with botocore's."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from gateway.eventstream import Decoder, EventStreamError
from hypothesis import given
from hypothesis import strategies as st

# Types of header values with their encoding; botocore decodes them all.
VALUES = st.one_of(
    st.sampled_from([(0, b""), (1, b"")]),
    st.integers(-128, 127).map(lambda number: (2, struct.pack("!b", number))),
    st.integers(-(2**15), 2**15 - 1).map(lambda number: (3, struct.pack("!h", number))),
    st.integers(-(2**31), 2**31 - 1).map(lambda number: (4, struct.pack("!i", number))),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: (5, struct.pack("!q", number))),
    st.binary(max_size=40).map(lambda data: (6, struct.pack("!H", len(data)) + data)),
    st.text(max_size=40).map(lambda text: (7, struct.pack("!H", len(text.encode())) + text.encode())),
    st.integers(0, 2**62).map(lambda number: (8, struct.pack("!q", number))),
    st.binary(min_size=16, max_size=16).map(lambda data: (9, data)),
)
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 128)
MESSAGES = st.tuples(st.dictionaries(NAMES, VALUES, max_size=5), st.binary(max_size=200))


def encode(headers: dict[str, tuple[int, bytes]], payload: bytes) -> bytes:
    """A message, as the format's description says."""
    encoded = b"".join(
        struct.pack("!B", len(name.encode())) + name.encode() + struct.pack("!B", kind) + value
        for name, (kind, value) in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack("!I", crc32(prelude)) + encoded + payload
    return message + struct.pack("!I", crc32(message))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


def decoded(parts: list[bytes]) -> list[Any]:
    """Messages, then whether they ended with an error."""
    decoder = Decoder()
    messages: list[Any] = []
    try:
        for part in parts:
            for message in decoder.feed(part):
                messages.append(tuple(message))
    except EventStreamError:
        messages.append("error")
    return messages


def decoded_by_botocore(data: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    messages: list[Any] = []
    try:
        for message in buffer:
            texts = {name: value for name, value in message.headers.items() if isinstance(value, str)}
            messages.append((texts, message.payload))
    except Exception:  # noqa: BLE001 - struct.error, KeyError and others, besides its own
        messages.append("error")
    return messages


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(0, 10_000), max_size=40))
def test_messages_split_anywhere_are_those_of_botocore(messages: list[Any], places: list[int]) -> None:
    data = b"".join(encode(*message) for message in messages)
    expected = decoded_by_botocore(data)
    assert len(expected) == len(messages)
    assert decoded(cut(data, places)) == expected


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_an_error(messages: list[Any], place: int, change: int) -> None:
    data = bytearray(b"".join(encode(*message) for message in messages))
    data[place % len(data)] ^= change
    received = decoded([bytes(data)])
    assert received == decoded_by_botocore(bytes(data))
    assert received[-1] == "error"


@given(st.binary(max_size=60), st.integers(0, 200))
def test_headers_that_are_none_are_an_error_as_in_botocore(headers: bytes, cut_at: int) -> None:
    prelude = struct.pack("!II", 16 + len(headers), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers
    data = message + struct.pack("!I", crc32(message))
    ours, botocores = decoded([data]), decoded_by_botocore(data)
    # botocore reads texts beyond the end of the headers, and is the less strict.
    assert ours in (botocores, ["error"])


@pytest.mark.parametrize(("length", "headers"), [(15, 0), (2**32 - 1, 0), (16, 1), (300_000, 200_000)])
def test_impossible_lengths(length: int, headers: int) -> None:
    prelude = struct.pack("!II", length, headers)
    with pytest.raises(EventStreamError):
        list(Decoder().feed(prelude + struct.pack("!I", crc32(prelude)) + bytes(100)))


def test_the_beginning_of_a_message_stays_pending() -> None:
    data = encode({}, b"payload")
    decoder = Decoder()
    assert list(decoder.feed(data[:-1])) == []
    assert decoder.pending == data[:-1]
    assert [message.payload for message in decoder.feed(data[-1:])] == [b"payload"]
    assert decoder.pending == b""
