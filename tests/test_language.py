"""Help texts, messages, docstrings, documentation and names use plain English and name their subject.

A failure shows the file, the line, the phrase, and what to write instead.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from tests.support.checkout import ROOT
from toolkit.cli.app import app

# Phrase → what to write instead.
REWRITES = {
    r"\btold\b": "report, list, show; or give, pass",
    r"\banew\b": "again; or recreate",
    r"\bmend(s|ed|ing)?\b": "repair, fix",
    r"\b(lie|lies|stand|stands) (in|at|beside|there|under|outside)\b": "is in",
    r"\b(go|goes|going|went) on\b": "continue, resume",
    r"\bbeside\b": "next to, in addition to",
    r"\b(take|takes|taken|took|taking) (it )?back\b": "roll back",
    r"(?-i:\b[Dd]angers?\b)": "destructive change, risk",
    r"(?<!there )\b(is|are|was|were) no (?!longer|more)\w+": "is not a …",
    r"\b(nobody|somebody|whoever)\b": "name the actor: the user, another command",
    r"\blets? itself\b": "can be",
    r"\bof (its|their|one's|your|our) own\b": "its own …, separate",
    r"^(what|who|whose|of these|of those)\b(?!.*\?)": "start with the actor, not with a relative clause",
    r"\b(is|are|was|were|be) made\b": "create",
    r"\b(see|sees|seen) to\b": "ensure, check",
    r"\bnowhere\b": "not found",
    r"\bcut off\b": "interrupt; truncate",
    r"\b(came|come|comes) upon\b": "find, interrupt",
    r"\blastingly\b": "sustained",
    r"\bfrom which on\b": "lowest, first",
    r"\b(for ever|at work)\b": "permanently; running",
    r"\b(takes?|taken) up\b(?! to)": "resume",
}
# Names that describe a thing instead of naming it → nouns.
VAGUE_NAMES = {
    "answer": "response, reply; or the verb: respond, confirm",
    "answers": "responses",
    "asked": "prompts, requests, checks",
    "bad": "broken, invalid; or its fault",
    "begun": "start, unfinished, upload",
    "described": "endpoint, description, manifest",
    "each": "the noun: statement, connection, future",
    "elsewhere": "other_directory, target, regions",
    "everybody": "the noun: barrier, users",
    "found": "the noun: endpoint, orphans, match",
    "given": "value, options, url, reason",
    "gone": "missing, deleted, destroyed",
    "good": "valid, healthy",
    "here": "location, key_path, available",
    "known": "the noun: regions, names, state",
    "left": "remaining, orphans, endpoints",
    "listed": "response, names, objects",
    "looked": "the event: checked, polled",
    "made": "the noun: engines, requests, created",
    "mine": "own_key, condition, tags",
    "nobody": "unprivileged, anonymous",
    "nowhere": "missing_object, no_cloud",
    "said": "stderr, output, message",
    "seen": "received, fingerprints, states",
    "spoke": "responded",
    "there": "remaining, uploaded, the noun",
    "told": "notified, reported",
    "wanted": "expected, enabled, selected",
    "written": "variables, files, text",
}
_PATTERNS = {re.compile(pattern, re.IGNORECASE): rewrite for pattern, rewrite in REWRITES.items()}
SHORTEST_SENTENCE = 3  # words
LONGEST_NAME = 60  # characters


class Text(NamedTuple):
    file: Path
    line: int
    text: str

    @property
    def faults(self) -> Iterator[str]:
        """Unidiomatic phrases, with the place and the rewrite."""
        for pattern, rewrite in _PATTERNS.items():
            if match := pattern.search(self.text):
                location = f"{self.file.relative_to(ROOT)}:{self.line}"
                context = " ".join(self.text[max(0, match.start() - 50) : match.end() + 50].split())
                yield f"{location}: {match[0]!r} in {context!r}\n    write: {rewrite}"


@cache
def syntax(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def messages(file: Path) -> Iterator[Text]:
    """String literals of at least three words, but for docstrings; f-strings whole, with … for values."""
    skipped = {
        id(node.value)
        for node in syntax(file)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in syntax(file):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            text = node.value
        else:
            continue
        if len(text.split()) >= SHORTEST_SENTENCE:
            yield Text(file, node.lineno, text)


def comments(file: Path) -> Iterator[Text]:
    """Comments and docstrings."""
    for node in syntax(file):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield Text(file, node.lineno, text)
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield Text(file, token.start[0], token.string.lstrip("# "))


def bound_names(file: Path) -> Iterator[tuple[str, int]]:
    """Names of variables, parameters, functions and classes, with their lines."""
    for node in syntax(file):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def terraform_texts(file: Path) -> Iterator[Text]:
    """Descriptions, error messages and other strings of at least three words."""
    lines = file.read_text(encoding="utf-8").splitlines()
    end = None
    for number, line in enumerate(lines, start=1):
        if end:
            end = None if line.strip() == end else end
            strings = [line]
        else:
            heredoc = re.search(r"<<[-~]?(\w+)$", line)
            end = heredoc[1] if heredoc else None
            strings = [] if line.lstrip().startswith("#") else re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        yield from (Text(file, number, text) for text in strings if len(text.split()) >= SHORTEST_SENTENCE)


def command_help(command: Any) -> Iterator[Text]:
    """Help of a command, of its options and of its subcommands."""
    if command.callback:
        function = inspect.unwrap(command.callback)
        code = function.__code__
        texts = [command.help, *(getattr(option, "help", None) for option in command.params)]
        for text in filter(None, texts):
            yield Text(Path(code.co_filename), code.co_firstlineno, text)
    for subcommand in getattr(command, "commands", {}).values():
        yield from command_help(subcommand)


def report(faults: list[str]) -> str:
    return f"{len(faults)} phrases to rewrite:\n" + "\n".join(faults)


def test_command_help_is_plain() -> None:
    faults = [fault for text in command_help(typer.main.get_command(app)) for fault in text.faults]
    assert not faults, report(faults)


@pytest.mark.parametrize("folder", ["toolkit", "lambda_src", "policies"])
def test_messages_are_plain(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    faults = [fault for file in files for text in messages(file) for fault in text.faults]
    assert not faults, report(faults)


@pytest.mark.parametrize(
    "folder", ["toolkit", "lambda_src", "policies", pytest.param("tests", marks=pytest.mark.slow)]
)
def test_comments_and_docstrings_are_plain(folder: str) -> None:
    files = [file for file in sorted((ROOT / folder).rglob("*.py")) if file != Path(__file__)]
    assert files
    faults = [fault for file in files for text in comments(file) for fault in text.faults]
    assert not faults, report(faults)


@pytest.mark.parametrize("folder", ["toolkit", "lambda_src", "policies", "tests"])
def test_names_say_what_a_thing_is(folder: str) -> None:
    faults = [
        f"{file.relative_to(ROOT)}:{line}: {name}\n    name it: {VAGUE_NAMES[name]}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name, line in bound_names(file)
        if name in VAGUE_NAMES
    ]
    assert not faults, f"{len(faults)} names to replace:\n" + "\n".join(faults)


def test_documentation_is_plain() -> None:
    files = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("t*/**/*.md")])
    faults = [
        fault
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for fault in Text(file, number, line).faults
    ]
    assert not faults, report(faults)


def test_terraform_texts_are_plain() -> None:
    files = sorted((ROOT / "terraform").rglob("*.tf"))
    assert files
    faults = [fault for file in files for text in terraform_texts(file) for fault in text.faults]
    assert not faults, report(faults)


def test_names_of_tests_are_short() -> None:
    long = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(
            r"^ *(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
        )
        if len(name) > LONGEST_NAME
    ]
    assert not long, f"rename to at most {LONGEST_NAME} characters:\n" + "\n".join(long)


def test_a_fault_shows_its_place_and_the_rewrite(tmp_path: Path) -> None:
    file = ROOT / "toolkit" / "x.py"
    (fault,) = Text(file, 7, "the plan is no plan of this project").faults
    assert fault.startswith("toolkit/x.py:7: 'is no plan' in ")
    assert fault.endswith("write: is not a …")


@pytest.mark.parametrize("text", ["there is no such endpoint", "the lock is no longer held", "what is it?"])
def test_plain_english_passes(text: str) -> None:
    assert list(Text(ROOT / "toolkit" / "x.py", 1, text).faults) == []
