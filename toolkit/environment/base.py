"""What all parts of the typed environment file have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class ConfigModel(BaseModel):
    """A mapping of the environment file: unknown keys are refused and values are never converted.

    Converting would turn `account_id: 012345678901` into another number and `version: 2.10` into 2.1
    without a word.
    """

    # Docstrings below keys are read where they are needed, in `schema`: pydantic would do so each time that
    # the toolkit starts.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Invalid(NamedTuple):
    """Why a value is invalid, and how to correct it."""

    reason: str
    remedy: str

    def error(self) -> PydanticCustomError:
        """What a validator raises; pydantic adds the key's path."""
        # The texts travel as context, since pydantic would read braces in a message as placeholders.
        return PydanticCustomError("mistake", "{reason}; {remedy}", self._asdict())


@dataclass(frozen=True, eq=False)
class Checked:
    """Annotates a type with a check of its own.

    Attributes:
        check: finds the mistake in a value, if there is one.
        schema: what JSON Schema can say of it.
    """

    check: Callable[[Any], Invalid | None]
    schema: dict[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Append the check to the type's own validation."""

        def validate(value: Any) -> Any:
            mistake = self.check(value)
            if mistake is not None:
                raise mistake.error()
            return value

        return core_schema.no_info_after_validator_function(validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell editors what can be told."""
        return {**handler(schema), **self.schema}


def matching(pattern: str, remedy: str) -> Checked:
    """Strings that a pattern describes in full."""
    compiled = re.compile(pattern, re.ASCII)  # as JSON Schema reads it

    def check(value: str) -> Invalid | None:
        return None if compiled.fullmatch(value) else Invalid(f"{value!r} is not valid here", remedy)

    return Checked(check, {"pattern": f"^(?:{pattern})$"})
