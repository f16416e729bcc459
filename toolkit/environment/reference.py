"""The reference of the environment file, `docs/reference/environment-file.md`, made from its schema.

`python -m toolkit.environment.reference` writes it, `--check` fails if it is stale.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.environment.schema import schema
from toolkit.errors import InputError
from toolkit.generated import write_or_check
from toolkit.project import Project

COMMAND = "python -m toolkit.environment.reference"

INTRODUCTION = f"""\
# Environment file

`terraform/environments/<env>.yaml` says what differs between environments, and nothing else. The name of
the file is the name of the environment. `toolkit init ENV` writes one to start from, `toolkit validate
--env ENV` checks it and tells every mistake with its line, key and remedy.

The files name their JSON Schema in the first line, so editors with a YAML language server complete and
explain the keys.

- Unknown keys are refused, and values are never converted: account ids and versions stand in quotes,
  because `012345678901` and `2.10` are numbers to YAML.
- YAML 1.2 is read: `true` and `false` are the only booleans. Anchors, aliases and `<<` work.
- Strings are brought into Unicode's normal form NFC, as Terraform does with every string.
- Nothing secret belongs here: it would end up in Terraform's state.

This page is made from the schema by `{COMMAND}`.
"""
MAX_CHOICES_LENGTH = 80


def text() -> str:
    """The page as it is checked in."""
    return "\n".join([INTRODUCTION, *_sections(schema())])


def path(project: Project) -> Path:
    """Where it is checked in."""
    return project.root / "docs" / "reference" / "environment-file.md"


def main(arguments: list[str]) -> None:
    """Write the page, or check it."""
    write_or_check(path(Project.find()), text(), COMMAND, check="--check" in arguments)


def _sections(root: Mapping[str, Any]) -> Iterator[str]:
    """A heading and a table for the file and for each mapping in it, in the order of the keys.

    What can stand in several places is explained in the first of them.
    """
    open_sections: list[tuple[str, Mapping[str, Any]]] = [("", root)]
    explained: dict[str, str] = {}
    while open_sections:
        place, section = open_sections.pop(0)
        yield f"## {f'`{place}`' if place else 'The file'}\n\n{section['description']}\n"
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        required = section.get("required", [])
        inner = []
        for key, definition in section["properties"].items():
            here = f"{place}.{key}" if place else key
            below = list(_below(definition, here, root["$defs"]))
            new = [(where, root["$defs"][name]) for where, name in below if name not in explained]
            inner += new
            value = _value(definition)
            if below and not new:
                value += f", as `{explained[below[0][1]]}`"
            for where, name in below:
                explained.setdefault(name, re.sub(r" \([^)]*\)$", "", where))
            default = "required" if key in required else _default(definition)
            meaning = definition.get("description") or root["$defs"][below[0][1]]["description"]
            yield f"| `{key}` | {value} | {default} | {_cell(meaning)} |"
        yield ""
        open_sections = inner + open_sections


def _below(
    definition: Mapping[str, Any], place: str, definitions: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The mappings that a key's value can be: where they stand, and what the schema calls them."""
    if "$ref" in definition:
        yield place, definition["$ref"].removeprefix("#/$defs/")
    for alternative in definition.get("oneOf", ()):
        for _, name in _below(alternative, place, definitions):
            yield f"{place} ({_which(definitions[name])})", name
    for alternative in definition.get("anyOf", ()):
        yield from _below(alternative, place, definitions)
    for values in definition.get("patternProperties", {}).values():
        yield from _below(values, f"{place}.<name>", definitions)
    if "items" in definition:
        yield from _below(definition["items"], f"{place}[]", definitions)


def _which(section: Mapping[str, Any]) -> str:
    """What tells one of several kinds of mappings from the others."""
    required = section["required"]
    for key in required:
        if "const" in section["properties"][key]:
            return f"{key}: {section['properties'][key]['const']}"
    return str(required[0])


def _value(definition: Mapping[str, Any]) -> str:
    """What a key takes, in a few words."""
    options = [option for option in definition.get("anyOf", [definition]) if option.get("type") != "null"]
    (option,) = options
    if "oneOf" in option or "$ref" in option:
        words = [f"`{choice['const']}` or " for choice in option.get("oneOf", ()) if "const" in choice]
        return f"{''.join(words)}mapping"
    if "const" in option or "enum" in option:
        return _choices(option)
    if option["type"] == "array":
        return f"list of {_value(option['items'])}s"
    if option["type"] == "object":
        inner = next(iter(option.get("patternProperties", {}).values()), None)
        inner = inner or option.get("additionalProperties") or {}
        return f"mapping of {_value(inner)}s" if isinstance(inner, dict) and inner else "mapping"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {option[name]:.12g}" for name, sign in bounds.items() if name in option]
    return " ".join([option["type"], ", ".join(limits)]).strip()


def _choices(option: Mapping[str, Any]) -> str:
    values = option.get("enum") or [option["const"]]
    choices = ", ".join(f"`{value}`" for value in values)
    return f"{option['type']}, one of {len(values)}" if len(choices) > MAX_CHOICES_LENGTH else choices


def _default(definition: Mapping[str, Any]) -> str:
    if definition.get("default") in (None, ""):
        return ""
    return f"`{json.dumps(definition['default'])}`"


def _cell(meaning: str) -> str:
    return meaning.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        raise SystemExit(str(error)) from None
