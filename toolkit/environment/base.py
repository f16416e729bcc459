"""Base classes of the typed environment file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class ConfigModel(BaseModel):
    """A mapping of the environment file: rejects unknown keys and never converts values.

    Conversion would silently change `account_id: 012345678901` to another number and `version: 2.10` to 2.1.
    """

    # `schema` reads the docstrings below the keys: pydantic would do so whenever the toolkit starts.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Invalid(NamedTuple):
    """Why a value is invalid, and how to correct it."""

    reason: str
    remedy: str

    def error(self) -> PydanticCustomError:
        """The exception that a validator raises; pydantic adds the path of the key."""
        # Texts are passed as context: pydantic reads braces in a message as placeholders.
        return PydanticCustomError("invalid", "{reason}; {remedy}", self._asdict())


@dataclass(frozen=True, eq=False)
class Checked:
    """Annotates a type with a custom check.

    Attributes:
        check: returns why a value is invalid, or None.
        schema: the JSON Schema keywords of the check.
    """

    check: Callable[[Any], Invalid | None]
    schema: dict[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Append the check to the validation of the type."""

        def validate(value: Any) -> Any:
            invalid = self.check(value)
            if invalid is not None:
                raise invalid.error()
            return value

        return core_schema.no_info_after_validator_function(validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the keywords of the check to the JSON Schema."""
        return {**handler(schema), **self.schema}


def matching(pattern: str, remedy: str) -> Checked:
    """Accept strings that match a pattern in full."""
    compiled = re.compile(pattern, re.ASCII)  # as in JSON Schema

    def check(value: str) -> Invalid | None:
        return None if compiled.fullmatch(value) else Invalid(f"{value!r} is not valid here", remedy)

    return Checked(check, {"pattern": f"^(?:{pattern})$"})
