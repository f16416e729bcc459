"""A YAML file as plain values that still know their lines.

ruamel.yaml parses; the values are built here from its nodes, because only nodes know where they come
from, and because all duplicate keys are to be found, not just the first.
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

from toolkit.environment.problems import KeyPath, Problem

TAG = "tag:yaml.org,2002:"
# Far above any sensible file, and far below what nested aliases can blow up to.
MAX_VALUES = 20_000


@dataclass
class Document:
    """A parsed file.

    Attributes:
        data: its content as dict, tuple, str, int, float, bool or None.
        problems: YAML errors, with lines.
        lines: line of every value, by its key's path: the line of the key, or of an item.
        sources: the text of every scalar as it stands in the file.
    """

    data: Any = None
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    sources: dict[KeyPath, str] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """Line of a key, or of the nearest one around it if it is missing; counted from 1."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def parse(text: str) -> Document:
    """Parse YAML 1.2.

    Strings are brought into Unicode's normal form NFC, because Terraform does so with every string that
    enters it: what is planned here is then what Terraform has.
    """
    document = Document()
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # using an anchor name again is allowed
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error))
        return document
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"character U+{error.character:04X} cannot stand in a YAML file"
        problem = Problem((), reason, 'remove it, or write it as an escape inside "double quotes"')
        document.problems.append((line, problem))
        return document
    except YAMLError as error:
        document.problems.append((1, Problem((), f"not valid YAML: {error}", "correct it")))
        return document
    except RecursionError:
        document.problems.append((1, Problem((), "lists or mappings are nested too deep", "flatten them")))
        return document
    if root is not None:
        document.data = _Builder(document).value(root, ())
    return document


def _syntax_problem(error: MarkedYAMLError) -> tuple[int, Problem]:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    while_doing = ""
    if error.context and error.context_mark is not None:
        while_doing = f"{error.context} that begins in line {error.context_mark.line + 1}, "
    reason = f"not valid YAML: {while_doing}{error.problem}"
    remedy = "check indentation, colons, quotes and brackets here and in the line above"
    return line, Problem((), reason, remedy)


class _Builder:
    """Builds values from nodes and notes their places."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[Node] = []
        self._values = 0

    def value(self, node: Node, path: KeyPath) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        self._values += 1
        if node in self._open or self._values > MAX_VALUES:
            if node in self._open:
                self._problem(node, path, "an alias refers to what it stands in", "write the value out")
            elif self._values == MAX_VALUES + 1:
                self._problem(node, path, f"more than {MAX_VALUES} values", "use fewer aliases")
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

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in _entries(node):
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, path, "a list or mapping as a key", "keys are words")
                continue
            key = _characters(key_node.value)
            here = (*path, key)
            if key in mapping:
                reason = f"the key is already in line {first_lines[key]}"
                problem = Problem(here, reason, "remove or rename one of them")
                self._document.problems.append((line, problem))
                continue
            if key_node.tag != TAG + "str":
                self._problem(key_node, here, f"the key {key_node.value} is not a string", "put it in quotes")
            first_lines[key] = line
            self._document.lines[here] = line
            mapping[key] = self.value(value_node, here)
        for key, value_node in self._merged(node, path):
            if key not in mapping:
                mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _merged(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Node]]:
        """What `<<: *anchor` brings in; keys of the mapping itself win, then the first merged one."""
        for key_node, value_node in node.value:
            if key_node.tag != TAG + "merge":
                continue
            sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            for source in sources:
                if not isinstance(source, MappingNode) or source in self._open:
                    self._problem(key_node, path, "<< takes a mapping", "as in `<<: *anchor`")
                    continue
                self._open.append(source)
                for key, value in _entries(source):
                    yield _characters(str(key.value)), value
                yield from self._merged(source, path)
                self._open.pop()

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        text = _characters(node.value)
        self._document.sources[path] = text
        kind = node.tag.removeprefix(TAG) if node.tag else ""
        convert = _SCALARS.get(kind)
        if convert is None:
            reason = f"the tag {node.tag} is not supported"
            self._problem(node, path, reason, "write the value without a tag")
            return None
        try:
            return convert(text)
        except ValueError:
            self._problem(node, path, f"{text} is not a number", "correct it, or put it in quotes")
            return None

    def _problem(self, node: Node, path: KeyPath, reason: str, remedy: str) -> None:
        self._document.problems.append((node.start_mark.line + 1, Problem(path, reason, remedy)))


def _entries(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    return ((key, value) for key, value in node.value if key.tag != TAG + "merge")


def _characters(text: str) -> str:
    """The text in normal form NFC; a pair of escapes `\\uD83D\\uDE00`, as JSON has them, is one character.

    Half of a pair alone becomes U+FFFD, as everywhere where text is repaired.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", whole)


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
    return int(digits, base)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "timestamp": str,  # YAML 1.2 has no dates
    "value": str,
    "null": _null,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
}
