"""HCL literals, checked with Terraform."""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from toolkit.rendering.hcl import literal

# All characters except surrogates and those that Python's version of Unicode lacks, whose normal form
# Terraform may know. The pieces have a meaning in HCL.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"))
PIECES = st.sampled_from(
    ["${", "%{", "$", "%", "$${", "%%{", "{", "}", '"', "\\", "\n", "\r\n", "\t", "<<EOT", "中文"]
)
STRINGS = st.lists(PIECES | CHARACTERS, max_size=12).map("".join)
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | STRINGS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)
# Each example runs Terraform. Without shrinking, which takes minutes: a failure lists the differences.
SLOW = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)


def nfc(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [nfc(item) for item in value]
    if isinstance(value, dict):
        return {nfc(key): nfc(item) for key, item in value.items()}
    return value


def assert_same(arrived: list[Any], sent: list[Any]) -> None:
    assert [(a, b) for a, b in zip(arrived, nfc(sent), strict=True) if a != b] == []


@pytest.mark.slow
@settings(SLOW, max_examples=25)
@given(strings=st.lists(STRINGS, min_size=40, max_size=120))
def test_strings_round_trip_through_terraform(arrives: Callable[[str], Any], strings: list[str]) -> None:
    assert_same(arrives(f"value = {literal(strings)}\n"), strings)


@pytest.mark.slow
@settings(SLOW, max_examples=25)
@given(values=st.lists(VALUES, min_size=10, max_size=30))
def test_nested_values_round_trip_through_terraform(
    arrives: Callable[[str], Any], values: list[object]
) -> None:
    assert_same(arrives(f"value = {literal(values)}\n"), values)


@pytest.mark.slow
@settings(SLOW, max_examples=25)
@given(values=st.dictionaries(STRINGS, VALUES, min_size=5, max_size=15))
def test_the_output_is_formatted_as_by_terraform_fmt(
    terraform: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, values: dict[str, object]
) -> None:
    text = f"value = {literal(values)}\n"
    formatted = terraform("fmt", "-", cwd=tmp_path, stdin=text)
    assert formatted.returncode == 0, formatted.stderr
    assert formatted.stdout == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (42, "42"),
        (50.0, "50"),
        (2.5, "2.5"),
        (1e-9, "1e-09"),
        ('say "hi"\\', r'"say \"hi\"\\"'),
        ("${x} and %{if}", r'"\u0024{x} and \u0025{if}"'),
        ("$5 or 100%", '"$5 or 100%"'),
        ("line\nnext\x00", r'"line\nnext\u0000"'),
        ("中文 😀\u200b", '"中文 😀\\u200b"'),
        (Markup("<b>\"'"), '"<b>\\"\'"'),
        ([], "[]"),
        (("a", 1), '["a", 1]'),
        ({}, "{}"),
        ({"b": 1, "aaa": {"x": []}, "c": 2}, '{\n  "aaa" = {\n    "x" = []\n  }\n  "b" = 1\n  "c" = 2\n}'),
        ([{"a": 1}], '[\n  {\n    "a" = 1\n  },\n]'),
        ({"größe": 1}, '{\n  "gr\\u00f6\\u00dfe" = 1\n}'),
    ],
)
def test_literals(value: object, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("value", [object(), b"bytes", {1: 2}, float("nan"), float("inf"), {1, 2}])
def test_values_without_a_literal_are_rejected(value: object) -> None:
    with pytest.raises(TypeError, match="HCL"):
        literal(value)
