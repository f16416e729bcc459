"""What the API lets clients ask of a model."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from toolkit.environment.section import Mistake, Section

# Lambda takes no larger event, and SageMaker no larger request.
_MAX_BODY_BYTES = 6 * 1024 * 1024


class Limits(Section):
    """What the API lets clients ask of a model."""

    max_tokens_default: int | None = Field(default=None, ge=1, examples=[1024])
    """Length of an answer in tokens where the client says none; by default the ceiling, else the engine
    decides."""
    max_tokens_ceiling: int | None = Field(default=None, ge=1, examples=[4096])
    """Longest answer in tokens that a client may ask for; more is refused. By default the engine decides."""
    body_bytes: int | None = Field(default=None, ge=1, le=_MAX_BODY_BYTES, examples=[1048576])
    """Largest request in bytes; by default what SageMaker takes: 6 MiB, a serverless endpoint 4 MiB."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        default, ceiling = self.max_tokens_default, self.max_tokens_ceiling
        if default is not None and ceiling is not None and default > ceiling:
            wrong = f"max_tokens_default {default} is more than max_tokens_ceiling {ceiling}"
            raise Mistake(wrong, "lower the first or raise the second").error()
        return self
