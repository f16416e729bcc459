"""Whatever way an engine frames its answer and SageMaker cuts it, the same objects come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.errors import ModelError
from gateway.framing import documents
from hypothesis import given
from hypothesis import strategies as st

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


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in at})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


cuts = st.lists(st.integers(0, 400), max_size=40)


@given(st.lists(objects, max_size=4), st.sampled_from(["\n", "\r\n"]), cuts)
def test_any_partition_of_server_sent_events_gives_the_same_objects(
    values: list[dict[str, Any]], end: str, at: list[int]
) -> None:
    assert list(documents(cut(as_sse(values, end), at))) == [*values, None]


@given(st.lists(objects, max_size=4), st.sampled_from([None, 2]), cuts)
def test_any_partition_of_json_lines_gives_the_same_objects(
    values: list[dict[str, Any]], indent: int | None, at: list[int]
) -> None:
    assert list(documents(cut(as_lines(values, indent), at))) == values


@given(objects)
def test_byte_by_byte_and_without_a_last_line_end(value: dict[str, Any]) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert list(documents(bytes([byte]) for byte in data)) == [value]
    assert list(documents(bytes([byte]) for byte in b"data: " + data)) == [value]


def test_objects_come_out_as_soon_as_they_are_whole() -> None:
    seen: list[int] = []

    def parts() -> Any:
        for number in range(3):
            assert seen == list(range(number))
            yield f'data: {{"n": {number}}}\n'.encode()
            yield b"\n"

    for document in documents(parts()):
        assert document is not None
        seen.append(document["n"])
    assert seen == [0, 1, 2]


def test_data_of_several_lines_is_one_object() -> None:
    assert list(documents([b'data: {"a":\ndata:1}\n\n'])) == [{"a": 1}]


def test_an_error_in_a_field_of_its_own() -> None:
    assert list(documents([b'error: {"message": "no"}\n\n'])) == [{"message": "no"}]


@pytest.mark.parametrize(
    "answer",
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
def test_what_is_not_whole_json_is_the_models_error(answer: bytes) -> None:
    with pytest.raises(ModelError):
        list(documents([answer]))
