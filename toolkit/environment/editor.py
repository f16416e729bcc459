"""Edits environment files: changes values and keeps comments, order and layout."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from ruamel.yaml import YAML

from toolkit.environment.document import parse
from toolkit.environment.problems import KeyPath
from toolkit.errors import InputError

# In place of a value: the key is removed.
REMOVED: Any = object()
# The first key below another one, and the first item of a list below its key.
_KEY = re.compile(r"^[\w-]+:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*(?P<indent> +)[^\s#]", re.MULTILINE)
_ITEM = re.compile(r"^(?P<key> *)[\w-]+:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*(?P<item> *)- ", re.MULTILINE)


def update(text: str, path: KeyPath, values: Mapping[str, Any], file: str) -> str:
    """The text of a file with other values in one of its mappings; other keys of the mapping stay.

    Args:
        text: a valid file.
        path: the mapping, which is created if it does not exist.
        values: new values of its keys, or `REMOVED`.
        file: its name, for errors.

    Raises:
        InputError: the mapping is shared with another part of the file, by an alias.
    """
    plain = text.replace("\r\n", "\n")
    nested, item = _KEY.search(plain), _ITEM.search(plain)
    offset = len(item["item"]) - len(item["key"]) if item else 2
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**16
    yaml.indent(mapping=len(nested["indent"]) if nested else 2, sequence=offset + 2, offset=offset)

    def dump(data: Any) -> str:
        stream = io.StringIO()
        yaml.dump(data, stream)
        return stream.getvalue()

    before = dump(yaml.load(text))
    data = yaml.load(text)
    mapping = data
    for key in path:
        mapping = mapping.setdefault(key, {})
    for key, value in values.items():
        if value is REMOVED:
            mapping.pop(key, None)
        else:
            mapping[key] = _lists(value)
    after = dump(data)
    expected = _updated(parse(text).data, path, values)
    removed = [key for key, value in values.items() if value is REMOVED]
    if removed and len(removed) == len(values):
        # ruamel.yaml would remove the comments below a key, too, which belong to the next one.
        without = text
        for key in removed:
            without = _without(without, (*path, key))
        if parse(without).data == expected:
            return without
    # The whole file in ruamel.yaml's layout is the last resort.
    for edited in (_transplant(text, before, after), after):
        if parse(edited).data == expected:
            return edited
    raise InputError(
        "cannot edit the environment file: an anchor or alias shares these keys with others",
        where=f"{file}: {'.'.join(map(str, path))}",
        remedy="write the keys out, or set them by hand",
    )


def _updated(data: Any, path: KeyPath, values: Mapping[str, Any]) -> Any:
    if not path:
        updated = {**(data or {}), **values}
        return {key: value for key, value in updated.items() if value is not REMOVED}
    key, *rest = path
    return {**(data or {}), key: _updated((data or {}).get(key), tuple(rest), values)}


def _lists(value: Any) -> Any:
    """Values as ruamel.yaml writes them: parsed lists are tuples."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _without(text: str, path: KeyPath) -> str:
    """The text without the lines of a key, which has its own; comments above the next key stay."""
    lines, numbers = text.splitlines(keepends=True), parse(text).lines
    if path not in numbers:
        return text
    first = numbers[path]
    following = [line for other, line in numbers.items() if line > first and other[: len(path)] != path]
    end = min(following, default=len(lines) + 1)
    while end - 1 > first and lines[end - 2].strip().partition("#")[0] == "":
        end -= 1
    return "".join(lines[: first - 1] + lines[end - 1 :])


def _transplant(original: str, before: str, after: str) -> str:
    """The change from `before` to `after`, made to `original`, which has another layout than `before`."""
    end_of_line = "\r\n" if "\r\n" in original else "\n"
    source, old, new = (text.splitlines() for text in (original, before, after))
    # Spaces are layout.
    matcher = SequenceMatcher(None, [*map(_words, source)], [*map(_words, old)], autojunk=False)
    same = {
        match.b + offset: match.a + offset
        for match in matcher.get_matching_blocks()
        for offset in range(match.size)
    }
    result: list[str] = []
    position = 0
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        first = same[start - 1] + 1 if start - 1 in same else 0 if start == 0 else same.get(start)
        last = first if start == end else same[end - 1] + 1 if end - 1 in same else None
        if first is None or last is None or last - first != end - start:
            return after
        result += [*source[position:first], *new[new_start:new_end]]
        position = last
    return "".join(line + end_of_line for line in [*result, *source[position:]])


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.split())
