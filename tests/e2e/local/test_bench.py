"""Benchmarks of a real model: stored with what they measured, listed, compared, and used for the capacity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e
LOAD = ("--input-tokens", "48", "--output-tokens", "2", "--concurrency", "2", "--requests", "20")


@pytest.fixture(scope="module")
def file(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a benchmark, which is stored, too."""
    path = tmp_path_factory.mktemp("bench") / "result.json"
    result = deployed.toolkit("bench", "--env", "local", *LOAD, "--output", str(path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "stored as " in result.stderr
    return path


def test_a_benchmark_is_stored_with_what_it_measured(deployed: Deployed, file: Path) -> None:
    (record,) = json.loads(deployed.toolkit.succeed("bench", "list", "--env", "local", "--json"))
    stored = json.loads(file.read_text())
    assert record["subject"] == stored["subject"]
    assert record["subject"]["instance_type"] == "ml.c7i.xlarge"
    assert record["subject"]["weights"].startswith("sha256:")
    assert record["subject"]["release"] >= 1
    assert len(stored["stages"][0]["requests"]) == record["stages"][0]["requests"] == 20
    assert record["id"] in deployed.toolkit.succeed("bench", "list", "--env", "local")
    shown = deployed.toolkit.succeed("bench", "show", record["id"][:16], "--env", "local")
    assert record["subject"]["options"] in shown


def test_the_stored_benchmark_equals_its_file(deployed: Deployed, file: Path) -> None:
    output = deployed.toolkit.succeed(
        "bench", "compare", "latest", str(file), "--env", "local", "--fail-on-regression", "0"
    )
    assert "measured: the same deployment" in output
    assert "worse" not in output


def test_a_capacity_needs_objectives(deployed: Deployed, file: Path) -> None:
    result = deployed.toolkit("bench", "suggest", "--env", "local", "--rate", "5")
    assert result.returncode == 2
    assert "smollm2 had no objectives when it was measured" in result.stderr
    assert "→ set models.smollm2.objectives" in result.stderr
