"""Split HCL text into statements.

Not a parser: it recognizes strings, comments, heredocs and brackets, and leaves expressions to Terraform.
It handles both the Terraform language and CLI configuration files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<comment>#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<heredoc><<-?[ \t]*(?P<tag>\w+)\n.*?^[ \t]*(?P=tag)[ \t]*(?=\n|\Z))"
    r'|(?P<quote>")|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<newline>\n)',
    re.DOTALL | re.MULTILINE,
)
_STRING_PART = re.compile(r'\\.|[$%]{2}\{|(?P<template>[$%]\{)|(?P<end>")', re.DOTALL)
_HEADER = re.compile(r'([\w-]+|"[^"]*")')


@dataclass(frozen=True)
class Statement:
    """A block or an attribute.

    Attributes:
        keyword: block type or attribute name.
        labels: of a block.
        text: the whole statement, with comments.
        content: text between a block's braces, or an attribute's expression.
        is_block: whether it is a block.
    """

    keyword: str
    labels: tuple[str, ...]
    text: str
    content: str
    is_block: bool

    def children(self) -> Iterator[Statement]:
        """The statements content a block."""
        return statements(self.content)

    def string(self) -> str | None:
        """An attribute's value if it is a plain string without template or escape."""
        match = re.fullmatch(r'\s*"([^"\\$%]*)"\s*(?:(?:#|//).*)?', self.content)
        return match.group(1) if match else None


def statements(text: str) -> Iterator[Statement]:
    """The top-level statements of `text`; malformed parts are skipped."""
    begin = position = 0
    while position < len(text):
        end = _line_end(text, position)
        statement = _statement(text[begin:end])
        if statement:
            yield statement
        begin = position = end


def _line_end(text: str, position: int) -> int:
    """End of the logical line at `position`: the first newline outside brackets."""
    depth = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match["quote"]:
            position = _string_end(text, position)
        elif match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
        elif match["newline"] and depth <= 0:
            return position
    return len(text)


def _string_end(text: str, position: int) -> int:
    """Position after the closing quote of the string whose content starts at `position`."""
    while match := _STRING_PART.search(text, position):
        position = match.end()
        if match["end"]:
            return position
        if match["template"]:
            position = _template_end(text, position)
    return len(text)


def _template_end(text: str, position: int) -> int:
    depth = 1
    while depth and (match := _TOKEN.search(text, position)):
        position = match.end()
        if match["quote"]:
            position = _string_end(text, position)
        elif match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
    return position


def _statement(text: str) -> Statement | None:
    position = 0
    names: list[str] = []
    while position < len(text):
        comment = _TOKEN.match(text, position)
        name = _HEADER.match(text, position)
        if comment and comment["comment"]:
            position = comment.end()
        elif name:
            names.append(name.group().strip('"'))
            position = name.end()
        elif text[position] == "{" and names:
            content = (
                text[position + 1 : text.rindex("}")] if "}" in text[position:] else text[position + 1 :]
            )
            return Statement(names[0], tuple(names[1:]), text, content, is_block=True)
        elif text[position] == "=" and names:
            return Statement(names[0], (), text, text[position + 1 :].strip(), is_block=False)
        else:
            position += 1
    return None
