"""Benchmarks of a deployed model: stored with what they measured, listed, compared, used for the capacity."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api.conftest import Api

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Stored:
    """A stored benchmark.

    Attributes:
        id: its id.
        file: the same as a file.
        content: of the file.
    """

    id: str
    file: Path
    content: dict[str, Any]


@pytest.fixture(scope="module")
def stored(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A benchmark of the model `echo`."""
    directory = tmp_path_factory.mktemp("bench")
    prompts, file = directory / "prompts.jsonl", directory / "result.json"
    prompts.write_text('{"prompt": "one two three"}\n')
    load = ("--concurrency", "2", "--requests", "24", "--dataset", str(prompts))
    result = api.toolkit("bench", "--env", "clients", "--model", "echo", *load, "--output", str(file))
    assert result.returncode == 0, result.stderr
    (id_,) = re.findall(r"stored as (\S+)", result.stderr)
    return Stored(id_, file, json.loads(file.read_text()))


def test_a_benchmark_is_stored_with_what_it_measured(api: Api, stored: Stored) -> None:
    output = api.toolkit.succeed("bench", "list", "--env", "clients", "--model", "echo", "--json")
    (record,) = [record for record in json.loads(output) if record["id"] == stored.id]
    assert record["subject"] == stored.content["subject"]
    assert record["subject"]["weights"].startswith("echo at 127.0.0.1:")
    assert record["subject"]["release"] >= 1
    assert len(stored.content["stages"][0]["requests"]) == record["stages"][0]["requests"] == 24
    assert stored.id in api.toolkit.succeed("bench", "list", "--env", "clients")
    shown = api.toolkit.succeed("bench", "show", stored.id, "--env", "clients")
    assert f"engine options: {record['subject']['options']}" in shown


def test_a_benchmark_equals_its_file(api: Api, stored: Stored) -> None:
    compared = ("bench", "compare", stored.id, str(stored.file), "--env", "clients")
    output = api.toolkit.succeed(*compared, "--fail-on-regression", "0")
    assert "measured: the same deployment" in output
    assert "worse" not in output
    assert "better" not in output


def test_a_capacity_needs_objectives(api: Api, stored: Stored) -> None:
    result = api.toolkit("bench", "suggest", stored.id, "--env", "clients", "--rate", "5")
    assert result.returncode == 2
    assert "echo had no objectives when it was measured" in result.stderr
    assert "→ set models.echo.objectives" in result.stderr
