"""Generates the JSON Schema of environment files, with which editors complete, explain and check them.

`python -m toolkit.environment.schema` writes it; `--check` fails if it is out of date.
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
    """Omits titles, which repeat the keys and hide descriptions in editors."""

    def field_title_should_be_set(self, _schema: core_schema.CoreSchema) -> bool:
        """No field has a title."""
        return False


def schema() -> dict[str, Any]:
    """The schema."""
    generated = Environment.model_json_schema(schema_generator=_Generator)
    sections = {section.__name__: section for section in _sections(ConfigModel)}
    for name, definition in {Environment.__name__: generated, **generated["$defs"]}.items():
        definition.pop("title", None)
        descriptions = _descriptions(sections[name])
        for key, value in definition.get("properties", {}).items():
            # Editors would insert these defaults into the file.
            if value.get("default") is None or isinstance(value["default"], dict | list):
                value.pop("default", None)
            # Editors also show the description of the referenced definition.
            referred = str(value.get("$ref", "")).removeprefix("#/$defs/")
            if descriptions[key] != generated["$defs"].get(referred, {}).get("description"):
                value["description"] = descriptions[key]
            definition["properties"][key] = dict(sorted(value.items()))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Environment file"}
    return head | generated


def _sections(section: type[ConfigModel]) -> Iterator[type[ConfigModel]]:
    """A class and all its subclasses."""
    yield section
    for subclass in section.__subclasses__():
        yield from _sections(subclass)


def _descriptions(section: type[ConfigModel]) -> dict[str, str]:
    """The docstrings below the keys of a class, including inherited ones."""
    descriptions: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, ConfigModel):
            for node in _tree(base.__module__).body:
                if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                    descriptions |= dict(_docstrings(node))
    return {field.alias or name: descriptions[name] for name, field in section.model_fields.items()}


def _docstrings(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(node.body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def text() -> str:
    """The schema as JSON text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def path(project: Project) -> Path:
    """Path of the schema file, next to the environment files."""
    return project.environments / "environment.schema.json"


def main(arguments: list[str]) -> None:
    """Write the schema, or check it."""
    write_or_check(path(Project.find()), text(), COMMAND, check="--check" in arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        raise SystemExit(str(error)) from None
