"""`toolkit --help`: groups, and examples that the command line accepts."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from tests.support.checkout import ROOT
from tests.support.toolkit import Toolkit
from toolkit.cli.app import GROUPS, app

EXAMPLES = [
    (name, example) for commands in GROUPS.values() for name, _, examples in commands for example in examples
]


def parse(arguments: list[str]) -> None:
    """Parse a command line without running it; exits if it is wrong."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("toolkit", arguments)
    while hasattr(command, "commands") and context._protected_args + context.args:
        name, command, rest = command.resolve_command(context, context._protected_args + context.args)
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_examples_are_accepted(name: str, example: str) -> None:
    program, *arguments = shlex.split(re.sub(r"^.* \| | > .*$", "", example))
    assert program == "toolkit"
    assert arguments[0] == name
    parse(arguments)


def test_every_command_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_help_shows_groups_and_examples() -> None:
    toolkit = Toolkit(ROOT)
    shown = toolkit("--help").stdout
    positions = [shown.index(f"─ {group} ─") for group in GROUPS]
    assert positions == sorted(positions)
    assert "toolkit rollback --env dev --to 3" in toolkit("rollback", "--help").stdout


def test_help_is_true_in_a_teams_own_repository() -> None:
    """Its environment files are in `environments/`."""
    commands = [typer.main.get_command(app)]
    for command in commands:  # grows
        commands += getattr(command, "commands", {}).values()
    options = [option for command in commands for option in command.params]
    texts = [text for option in options if (text := getattr(option, "help", None))]
    assert [text for text in texts if "ENV.yaml" in text]
    assert [text for text in texts if "terraform/environments" in text] == []
