"""Commands and options that Markdown files mention exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.support.checkout import ROOT
from toolkit.cli.app import app

ROOT_COMMAND: Any = typer.main.get_command(app)
# The changelog mentions removed commands.
PAGES = [
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "toolkit").rglob("*.md")]
    if page.name != "CHANGELOG.md"
]
# Inline code, indented blocks, and commands in fenced blocks, up to a comment or the end of the code.
MENTION = re.compile(r"(?:`|^ {4}|\.venv/bin/)toolkit ([a-z-][^`\n#|)]*)", re.MULTILINE)


def unknown_words(mention: str) -> list[str]:
    """Commands and options of a mention that do not exist."""
    command, words = ROOT_COMMAND, mention.split()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if words and words[0].startswith("-"):
        command = getattr(command, "default", command)
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    mentioned = {word.strip("[]").partition("=")[0] for word in words if word.lstrip("[").startswith("-")}
    subcommands = words[:1] if hasattr(command, "commands") and words[:1] != ["--help"] else []
    return [*subcommands, *sorted(mentioned - options)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_commands_exist(page: Path) -> None:
    mentions = MENTION.findall(page.read_text(encoding="utf-8"))
    assert {mention: unknown for mention in mentions if (unknown := unknown_words(mention))} == {}


@pytest.mark.parametrize("mention", ["aply --env dev", "apply --envv dev", "keys sho NAME"])
def test_unknown_commands_and_options_are_found(mention: str) -> None:
    assert unknown_words(mention)
