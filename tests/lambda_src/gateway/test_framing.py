"""The same objects result from every framing, however SageMaker splits the response."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.errors import ModelError
from gateway.framing import Documents
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import read, stream

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)


def as_sse(values: list[dict[str, Any]], end: str) -> bytes:
    head = f": comment{end}{end}"
    events = [
        f"event: message{end}id: 7{end}data: {json.dumps(v, ensure_ascii=False)}{end}{end}" for v in values
    ]
    return "".join([head, *events, f"data: [DONE]{end}{end}"]).encode()


def as_lines(values: list[dict[str, Any]], indent: int | None) -> bytes:
    return "".join(json.dumps(v, ensure_ascii=False, indent=indent) + "\n" for v in values).encode()


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    positions = sorted({min(position, len(data)) for position in cuts})
    return [data[start:end] for start, end in zip([0, *positions], [*positions, len(data)], strict=True)]


cuts = st.lists(st.integers(0, 400), max_size=40)


@given(st.lists(objects, max_size=4), st.sampled_from(["\n", "\r\n"]), cuts)
def test_events_split_anywhere_give_the_same_objects(
    values: list[dict[str, Any]], end: str, at: list[int]
) -> None:
    assert read(Documents(), cut(as_sse(values, end), at)) == [*values, None]


@given(st.lists(objects, max_size=4), st.sampled_from([None, 2]), cuts)
def test_json_lines_split_anywhere_give_the_same_objects(
    values: list[dict[str, Any]], indent: int | None, at: list[int]
) -> None:
    assert read(Documents(), cut(as_lines(values, indent), at)) == values


@given(objects)
def test_single_bytes_without_a_final_newline(value: dict[str, Any]) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert read(Documents(), (bytes([byte]) for byte in data)) == [value]
    assert read(Documents(), (bytes([byte]) for byte in b"data: " + data)) == [value]


def test_objects_are_yielded_once_complete() -> None:
    parsed_parts: list[int] = []

    def parts() -> Any:
        for number in range(3):
            assert parsed_parts == list(range(number))
            yield f'data: {{"n": {number}}}\n'.encode()
            yield b"\n"

    for document in stream(Documents(), parts()):
        assert document is not None
        parsed_parts.append(document["n"])
    assert parsed_parts == [0, 1, 2]


def test_multiline_data_is_one_object() -> None:
    assert read(Documents(), [b'data: {"a":\ndata:1}\n\n']) == [{"a": 1}]


def test_errors_in_a_separate_field() -> None:
    assert read(Documents(), [b'error: {"message": "no"}\n\n']) == [{"message": "no"}]


@pytest.mark.parametrize(
    "response",
    [
        b'data: {"a": ',
        b'{"a": 1',
        b"data: hello\n\n",
        b"hello\n",
        b"data: [1]\n\n",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_incomplete_json_is_a_model_error(response: bytes) -> None:
    with pytest.raises(ModelError):
        read(Documents(), [response])
