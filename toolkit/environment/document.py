"""A YAML file as plain values with their lines.

ruamel.yaml parses; the values are built here from its nodes, because only nodes have lines, and to report all
duplicate keys instead of the first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner, ScannerError

from toolkit.documents import MAX_DIGITS
from toolkit.environment.problems import KeyPath, Problem

TAG = "tag:yaml.org,2002:"
# Far above any real file, and far below the size to which nested aliases can expand.
MAX_VALUES = 20_000
# Above it, JSON and Terraform round integers.
MAX_NUMBER = 2**53


@dataclass
class Document:
    """A parsed file.

    Attributes:
        data: its content as dict, tuple, str, int, float, bool or None.
        problems: YAML errors, with lines.
        lines: line of each key and list item, by key path.
        sources: text of each scalar in the file, by key path.
    """

    data: Any = None
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    sources: dict[KeyPath, str] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """Line of a key, or of the closest parent that exists; counted from 1."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def parse(text: str) -> Document:
    """Parse YAML 1.2.

    Strings are normalized to Unicode NFC as in Terraform, so that values are the same on both sides.
    """
    document = Document()
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    yaml.composer.warn_double_anchors = False  # anchors may be redefined
    try:
        root = yaml.compose(text)
        if root is not None:
            document.data = _Builder(document).value(root, ())
    except _TooLargeError as error:
        reason = f"more than {MAX_VALUES} values"
        document.problems = [(error.line, Problem((), reason, "use fewer aliases, or several environments"))]
    except MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"character U+{error.character:04X} is not allowed in YAML"
        problem = Problem((), reason, 'remove it, or escape it inside "double quotes"')
        document.problems.append((line, problem))
    except YAMLError as error:
        document.problems.append((1, Problem((), f"not valid YAML: {error}", "correct it")))
    except RecursionError:
        document.problems = [(1, Problem((), "lists or mappings are nested too deep", "flatten them"))]
    return document


class _Scanner(Scanner):
    """Reports an escape of no character, such as U+110000, with its line."""

    def fetch_more_tokens(self) -> Any:
        try:
            return super().fetch_more_tokens()
        except (ValueError, OverflowError):
            reason = "found an escape or a number without meaning"
            raise ScannerError(None, None, reason, self.reader.get_mark()) from None


class _TooLargeError(Exception):
    """The file has too many values, or its aliases expand to too many."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def _syntax_problem(error: MarkedYAMLError) -> tuple[int, Problem]:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    while_doing = ""
    if error.context and error.context_mark is not None:
        while_doing = f"{error.context} that begins in line {error.context_mark.line + 1}, "
    reason = f"not valid YAML: {while_doing}{error.problem}"
    remedy = "check indentation, colons, quotes and brackets in this line and the one above"
    return line, Problem((), reason, remedy)


class _Builder:
    """Builds values from nodes and records their lines."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[Node] = []
        self._values = 0

    def value(self, node: Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        self._count(node)
        if node in self._open:
            self._problem(node, path, "an alias refers to its own parent", "replace the alias with the value")
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return tuple(self.value(item, (*path, index)) for index, item in enumerate(node.value))
            return self._scalar(node, path) if isinstance(node, ScalarNode) else None
        finally:
            self._open.pop()

    def _count(self, node: Node) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooLargeError(node.start_mark.line + 1)

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in _entries(node):
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, path, "a list or mapping cannot be a key", "use a string")
                continue
            key = self._text(key_node, path)
            key_path = (*path, key)
            if key in mapping:
                reason = f"the key is already in line {first_lines[key]}"
                problem = Problem(key_path, reason, "remove or rename one of them")
                self._document.problems.append((line, problem))
                continue
            if key_node.tag != TAG + "str":
                self._problem(key_node, key_path, f"the key {key_node.value} is not a string", "quote it")
            first_lines[key] = line
            self._document.lines[key_path] = line
            mapping[key] = self.value(value_node, key_path)
        for key, value_node in self._merged(node, path):
            if key not in mapping:
                mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _merged(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Node]]:
        """Entries merged by `<<: *anchor`; keys of the mapping take precedence, then the first merge."""
        for key_node, value_node in node.value:
            if key_node.tag != TAG + "merge":
                continue
            sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            for source in sources:
                self._count(key_node)
                if not isinstance(source, MappingNode) or source in self._open:
                    self._problem(
                        key_node, path, "<< requires a mapping", "use an alias, such as `<<: *anchor`"
                    )
                    continue
                self._open.append(source)
                for key, value in _entries(source):
                    self._count(key)
                    yield self._text(key, path), value
                yield from self._merged(source, path)
                self._open.pop()

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        text = self._text(node, path)
        self._document.sources[path] = text
        kind = node.tag.removeprefix(TAG) if node.tag else ""
        convert = _SCALARS.get(kind)
        if convert is None:
            reason = f"the tag {node.tag} is not supported"
            self._problem(node, path, reason, "remove the tag")
            return None
        try:
            value = convert(text)
        except ValueError:
            self._problem(node, path, f"{text[:40]} is not a number", "correct it, or quote it")
            return None
        if isinstance(value, int | float) and abs(value) > MAX_NUMBER:
            self._problem(node, path, f"{text[:40]} is too large", f"use a number up to {MAX_NUMBER}")
            return None
        return value

    def _text(self, node: Node, path: KeyPath) -> str:
        """The text of a scalar in Unicode NFC; two escaped surrogates become the character they encode."""
        try:
            joined = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._problem(node, path, "an escape is half of a character", "write the character itself")
            return ""
        return unicodedata.normalize("NFC", joined)

    def _problem(self, node: Node, path: KeyPath, reason: str, remedy: str) -> None:
        self._document.problems.append((node.start_mark.line + 1, Problem(path, reason, remedy)))


def _entries(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    return ((key, value) for key, value in node.value if key.tag != TAG + "merge")


def _null(_text: str) -> None:
    return None


def _boolean(text: str) -> bool:
    return text.lower() in ("true", "yes", "on")  # the last two only after `%YAML 1.1`


def _float(text: str) -> float:
    return float(text.replace("_", ""))


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    unsigned = digits.lstrip("+-")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(unsigned[:2], 10)
    # The beginning of a longer number is too large, too.
    return int(digits[:MAX_DIGITS], base)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "timestamp": str,  # YAML 1.2 has no dates
    "value": str,
    "null": _null,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
}
