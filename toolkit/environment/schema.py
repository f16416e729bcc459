"""The environment file's JSON Schema, from which editors complete, explain and check.

`python -m toolkit.environment.schema` writes it, `--check` fails if it is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from toolkit.environment.environment import Environment
from toolkit.errors import InputError
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
    for definition in (generated, *generated["$defs"].values()):
        definition.pop("title", None)
        for key in definition.get("properties", {}).values():
            # What editors would write into the file, though leaving the key out says the same.
            if key.get("default") is None or isinstance(key["default"], dict | list):
                key.pop("default", None)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Environment file"}
    return head | generated


def text() -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def path(project: Project) -> Path:
    """Where it is checked in: beside the files that refer to it."""
    return project.environments / "environment.schema.json"


def main(arguments: list[str]) -> None:
    """Write the schema, or check it."""
    keep_up_to_date(path(Project.find()), text(), COMMAND, check="--check" in arguments)


def keep_up_to_date(file: Path, content: str, command: str, *, check: bool) -> None:
    """Write a generated file, or see that it is as it would be written.

    Raises:
        InputError: it is to be checked and stale.
    """
    if not check:
        file.write_text(content, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != content:
        raise InputError(
            "the file is stale", where=file.name, remedy=f"run `{command}` and commit the result"
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        raise SystemExit(str(error)) from None
