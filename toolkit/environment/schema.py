"""The environment file's JSON Schema, from which editors complete, explain and check.

`python -m toolkit.environment.schema` writes it, `--check` fails if it is stale.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from toolkit.environment.base import ConfigModel
from toolkit.environment.environment import Environment
from toolkit.errors import InputError
from toolkit.generated import write_or_check
from toolkit.project import Project

COMMAND = "python -m toolkit.environment.schema"


class _Generator(GenerateJsonSchema):
    """Leaves out the titles, which say no more than the keys, and hide the descriptions in editors."""

    def field_title_should_be_set(self, _schema: core_schema.CoreSchema) -> bool:
        """No field has a title."""
        return False


def schema() -> dict[str, Any]:
    """The schema."""
    generated = Environment.model_json_schema(schema_generator=_Generator)
    sections = {section.__name__: section for section in _sections(ConfigModel)}
    for name, definition in {Environment.__name__: generated, **generated["$defs"]}.items():
        definition.pop("title", None)
        meanings = _meanings(sections[name])
        for key, value in definition.get("properties", {}).items():
            # What editors would write into the file, though leaving the key out says the same.
            if value.get("default") is None or isinstance(value["default"], dict | list):
                value.pop("default", None)
            # Editors show the description of what a reference leads to, too.
            if meanings[key] != generated["$defs"].get(_referred(value), {}).get("description"):
                value["description"] = meanings[key]
            definition["properties"][key] = dict(sorted(value.items()))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Environment file"}
    return head | generated


def _sections(section: type[ConfigModel]) -> Iterator[type[ConfigModel]]:
    """A kind of mapping, and all that are made from it."""
    yield section
    for made_from in section.__subclasses__():
        yield from _sections(made_from)


def _meanings(section: type[ConfigModel]) -> dict[str, str]:
    """What the keys of a mapping mean: the docstrings below them, also those it has from its bases."""
    meanings: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, ConfigModel):
            for node in _tree(base.__module__).body:
                if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                    meanings |= dict(_docstrings(node))
    return {field.alias or name: meanings[name] for name, field in section.model_fields.items()}


def _docstrings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(node.body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _referred(value: dict[str, Any]) -> str:
    return str(value.get("$ref", "")).removeprefix("#/$defs/")


def text() -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def path(project: Project) -> Path:
    """Where it is checked in: beside the files that refer to it."""
    return project.environments / "environment.schema.json"


def main(arguments: list[str]) -> None:
    """Write the schema, or check it."""
    write_or_check(path(Project.find()), text(), COMMAND, check="--check" in arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        raise SystemExit(str(error)) from None
