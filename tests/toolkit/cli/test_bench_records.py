"""`toolkit bench show`, `compare` and `suggest` with files, and wrong options."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.support.checkout import ROOT
from tests.support.measurements import benchmark
from tests.support.toolkit import Toolkit
from toolkit.bench import records
from toolkit.cli.app import app
from toolkit.cli.bench_records import _price
from toolkit.console import Console
from toolkit.cost.prices import Price, Prices
from toolkit.deployment.context import offline_context
from toolkit.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A benchmark, a slower one, and a file that is neither."""
    paths = [tmp_path_factory.mktemp("bench") / name for name in ("a.json", "b.json.gz", "c.json")]
    records.write_file(paths[0], benchmark((4,), seed=1))
    records.write_file(paths[1], benchmark((4,), seed=2, slower=1.5))
    paths[2].write_text('{"stages": "\x1b[2J"}')
    return [str(path) for path in paths]


def test_files_are_compared_without_an_environment(files: list[str]) -> None:
    before, after, _ = files
    data = json.loads(Toolkit(ROOT).succeed("bench", "compare", before, after, "--json"))
    assert {row["verdict"] for row in data["metrics"]} >= {"worse"}
    worse = Toolkit(ROOT)("bench", "compare", before, after, "--fail-on-regression", "10", "--markdown")
    assert worse.returncode == 7
    assert "❌" in worse.stdout
    assert "metrics are worse by at least 10 %" in worse.stderr


def test_a_damaged_file_is_refused(files: list[str]) -> None:
    result = Toolkit(ROOT)("bench", "show", files[2])
    assert (result.returncode, result.stdout) == (2, "")
    assert "cannot read the benchmark: not a file of `toolkit bench`" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "latest"], "pass --env ENV for a stored benchmark"),
        (["compare", "a", "b", "--json", "--markdown"], "cannot print --json and --markdown at once"),
        (["--env", "local", "--suggest", "5", "--json"], "--suggest prints text"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_rate_is_above_zero() -> None:
    result = CliRunner().invoke(app, ["bench", "suggest", "--env", "local", "--rate", "0"])
    assert result.exit_code == 2


def test_a_file_is_shown_with_costs_only_if_a_price_is_given(files: list[str]) -> None:
    text = Toolkit(ROOT).succeed("bench", "show", files[0])
    assert "dollars" not in text
    priced = Toolkit(ROOT).succeed("bench", "show", files[0], "--cost-per-hour", "1.25")
    assert "dollars per million output tokens" in priced
    assert "(--cost-per-hour)" in priced


def test_an_environment_for_aws_has_the_list_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_PROJECT", str(ROOT))
    # The Price List API is not reached.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    measured = benchmark((4,))
    measured = replace(measured, subject=replace(measured.subject, instance_type="ml.g6.2xlarge"))
    contexts = {name: offline_context(name, Console()) for name in ("dev", "local")}
    listed_price = _price(contexts["dev"], measured, None)
    assert listed_price is not None
    assert listed_price == Prices("us-east-1").instance_hour("ml.g6.2xlarge")
    assert _price(contexts["dev"], measured, 2.0) == Price(2.0, "--cost-per-hour", "")
    assert _price(contexts["local"], measured, None) is None
