"""Any content of an environment file gives an environment or a message, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.toolkit.environment.everything import EVERYTHING
from tests.toolkit.environment.invalid_files import VALID
from toolkit.environment import Environment, load
from toolkit.errors import InputError
from toolkit.project import Project

FAST = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
DATA = YAML(typ="safe", pure=True).load(EVERYTHING)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def read(directory: Path, content: bytes) -> None:
    project = Project(directory)
    project.environments.mkdir(parents=True, exist_ok=True)
    project.environment_file("dev").write_bytes(content)
    try:
        assert isinstance(load(project, "dev"), Environment)
    except InputError as error:
        assert str(error).startswith("terraform/environments/dev.yaml:")


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, item in items for inner in paths(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


def without(value: Any, path: tuple[Any, ...]) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(copy[path[0]], path[1:])
    return copy


@FAST
@given(changes=st.lists(st.tuples(st.sampled_from(paths(DATA)[1:]), VALUES), min_size=1, max_size=3))
def test_any_value_at_any_key_is_handled(tmp_path: Path, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data: Any = DATA
    for path, value in sorted(changes, key=lambda change: -len(change[0])):
        data = replaced(data, path, value)
    read(tmp_path, json.dumps(data).encode())


@FAST
@given(
    fraction=st.floats(0, 1),
    length=st.integers(0, 20),
    base=st.sampled_from([VALID, EVERYTHING]),
    text=st.text(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from("[]{}:-,&*!|>'\"%@`#\n \t"), max_size=6
    ),
)
def test_any_inserted_text_is_handled(
    tmp_path: Path, fraction: float, length: int, base: str, text: str
) -> None:
    position = int(fraction * len(base))
    read(tmp_path, (base[:position] + text + base[position + length :]).encode())


@FAST
@given(path=st.sampled_from(paths(DATA)[1:]))
def test_any_missing_key_is_handled(tmp_path: Path, path: tuple[Any, ...]) -> None:
    read(tmp_path, json.dumps(without(DATA, path)).encode())


@FAST
@given(content=st.binary(min_size=1, max_size=60))
def test_any_bytes_are_handled(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)
