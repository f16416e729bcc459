"""The part of the environment file about API keys: which there are, and what each may."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.section import Section, matching

# It is a part of the key's value, and of a usage plan's name.
KeyName = Annotated[
    str,
    matching(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", "use up to 40 lower-case letters, digits and hyphens"),
]
UsagePlanName = KeyName
DEFAULT = "default"


class Quota(Section):
    """How many requests in a time; API Gateway answers 429 beyond it."""

    requests: int = Field(ge=1, le=2_000_000_000, examples=[10000])
    """Requests of each key."""
    per: Literal["day", "week", "month"]
    """The time, after which counting starts anew."""


class UsagePlan(Section):
    """What each key of the plan may."""

    rate_per_second: float = Field(default=50, gt=0)
    """Requests per second, lastingly."""
    burst: int = Field(default=100, ge=1)
    """Requests at once."""
    quota: Quota | None = None
    """Requests in a time; by default as many as the rate allows."""
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The models that it may ask for, by name or alias; by default all."""


class Key(Section):
    """An API key, made by `toolkit apply`."""

    usage_plan: UsagePlanName = DEFAULT
    """The usage plan that it is in."""
