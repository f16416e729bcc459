"""`toolkit bench` refuses wrong options before it contacts a cloud."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from toolkit.cli.app import app
from toolkit.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--concurrency", "1,x"], "--concurrency: '1,x' is not a list of numbers"),
        (["--concurrency", "0"], "--concurrency: '0'"),
        (["--concurrency", "1.5"], "has a fraction of a client"),
        (["--concurrency", "1001"], "to 1000"),
        (["--rate", "-1"], "--rate: '-1'"),
        (["--rate", "nan"], "--rate: 'nan'"),
        (["--input-tokens", "many"], "--input-tokens: 'many'"),
        (["--output-tokens", "9-3"], "--output-tokens: '9-3'"),
        (["--duration", "soon"], "--duration"),
        (["--rate", "1", "--turns", "2"], "--turns needs a closed loop"),
        (["--dataset", "x", "--distinct-prompts", "2"], "are for synthetic prompts"),
        (["--input-tokens", "100", "--shared-prefix-tokens", "101"], "is more than --input-tokens"),
        (["--json", "--markdown"], "cannot print --json and --markdown at once"),
        (["--output", "."], "this is a directory"),
    ],
)
def test_wrong_options_are_refused(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", "--env", "local", *options])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert result.exception.remedy


def test_the_help_of_the_group_leads_to_the_options() -> None:
    result = CliRunner().invoke(app, ["bench", "--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    assert "toolkit bench run --help" in lines[2]
    examples = [line.split() for line in lines[:6] if line.startswith("toolkit bench --env")]
    assert len(examples) == 2
    for example in examples:
        options = {argument for argument in example if argument.startswith("--")}
        shown = CliRunner().invoke(app, ["bench", "run", "--help"], env={"COLUMNS": "200"}).output
        assert all(option in shown for option in options)


def test_the_environment_is_needed() -> None:
    result = CliRunner().invoke(app, ["bench", "--concurrency", "1"])
    assert result.exit_code == 2


def test_an_unknown_subcommand_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["bench", "comapre", "a", "b"])
    assert result.exit_code == 2
    assert "comapre" in result.output
