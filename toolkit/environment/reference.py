"""Generates `docs/reference/environment-file.md` from the schema of environment files.

`python -m toolkit.environment.reference` writes it, `--check` fails if it is out of date.
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

`terraform/environments/<env>.yaml` contains the settings of one environment, which is named after the file;
in a team's own repository, it is `environments/<env>.yaml`.
`toolkit init ENV` creates a file, and `toolkit validate --env ENV` reports every problem in it with line, key
and remedy.

The first line refers to the JSON Schema, with which editors complete and explain the keys.

- Unknown keys are rejected, and values are never converted: quote account ids and versions, because
  `012345678901` and `2.10` are numbers in YAML.
- The format is YAML 1.2: `true` and `false` are the only booleans. Anchors, aliases and `<<` work.
- Strings are normalized to Unicode NFC, as in Terraform.
- Do not add secrets: Terraform would store them in its state.

`{COMMAND}` generates this page.
"""
MAX_CHOICES_LENGTH = 80


def text() -> str:
    """The page as text."""
    return "\n".join([INTRODUCTION, *_sections(schema())])


def path(project: Project) -> Path:
    """Path of the page."""
    return project.root / "docs" / "reference" / "environment-file.md"


def main(arguments: list[str]) -> None:
    """Write the page, or check it."""
    write_or_check(path(Project.find()), text(), COMMAND, check="--check" in arguments)


def _sections(root: Mapping[str, Any]) -> Iterator[str]:
    """A heading and a table for the file and for each mapping in it, in the order of the keys.

    A mapping that several keys accept is explained at the first of them.
    """
    open_sections: list[tuple[str, Mapping[str, Any]]] = [("", root)]
    explained: dict[str, str] = {}
    while open_sections:
        section_path, section = open_sections.pop(0)
        yield f"## {f'`{section_path}`' if section_path else 'The file'}\n\n{section['description']}\n"
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        required = section.get("required", [])
        inner = []
        for key, definition in section["properties"].items():
            key_path = f"{section_path}.{key}" if section_path else key
            below = list(_below(definition, key_path, root["$defs"]))
            new = [(path, root["$defs"][name]) for path, name in below if name not in explained]
            inner += new
            value = _value(definition)
            if below and not new:
                value += f", as `{explained[below[0][1]]}`"
            for path, name in below:
                explained.setdefault(name, re.sub(r" \([^)]*\)$", "", path))
            default = "required" if key in required else _default(definition)
            meaning = definition.get("description") or root["$defs"][below[0][1]]["description"]
            yield f"| `{key}` | {value} | {default} | {_cell(meaning)} |"
        yield ""
        open_sections = inner + open_sections


def _below(
    definition: Mapping[str, Any], path: str, definitions: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The mappings that a key accepts: their key paths and their names in the schema."""
    if "$ref" in definition:
        yield path, definition["$ref"].removeprefix("#/$defs/")
    for alternative in definition.get("oneOf", ()):
        for _, name in _below(alternative, path, definitions):
            yield f"{path} ({_which(definitions[name])})", name
    for alternative in definition.get("anyOf", ()):
        yield from _below(alternative, path, definitions)
    for values in definition.get("patternProperties", {}).values():
        yield from _below(values, f"{path}.<name>", definitions)
    if "items" in definition:
        yield from _below(definition["items"], f"{path}[]", definitions)


def _which(section: Mapping[str, Any]) -> str:
    """The key that distinguishes a mapping from its alternatives."""
    required = section["required"]
    for key in required:
        if "const" in section["properties"][key]:
            return f"{key}: {section['properties'][key]['const']}"
    return str(required[0])


def _value(definition: Mapping[str, Any]) -> str:
    """The values that a key accepts, in a few words."""
    options = [option for option in definition.get("anyOf", [definition]) if option.get("type") != "null"]
    (option,) = options
    if "oneOf" in option or "$ref" in option:
        words = [f"`{choice['const']}` or " for choice in option.get("oneOf", ()) if "const" in choice]
        return f"{''.join(words)}mapping"
    if "const" in option or "enum" in option:
        return _choices(option)
    if option["type"] == "array":
        return f"list of {_plural(_value(option['items']))}"
    if option["type"] == "object":
        inner = next(iter(option.get("patternProperties", {}).values()), None)
        inner = inner or option.get("additionalProperties") or {}
        return f"mapping of {_plural(_value(inner))}" if isinstance(inner, dict) and inner else "mapping"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {option[name]:.12g}" for name, sign in bounds.items() if name in option]
    return " ".join([option["type"], ", ".join(limits)]).strip()


def _plural(value: str) -> str:
    """`string, one of 7` → `strings, each one of 7`; a choice of literals stays."""
    plural = re.sub(r"^[a-z]+", r"\g<0>s", value)
    return value if value.startswith("`") else plural.replace(", one of", ", each one of")


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
