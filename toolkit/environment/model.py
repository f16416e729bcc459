"""A model of the environment file: one SageMaker endpoint."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from toolkit.environment.problems import did_you_mean
from toolkit.environment.section import Checked, Mistake, Section, matching
from toolkit.environment.serving import Serving
from toolkit.environment.sources import Source
from toolkit.serving import catalogue

ModelName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "use lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
    ),
]


def _check_instance_type(value: str) -> Mistake | None:
    known = catalogue.instances()
    if value in known:
        return None
    right = did_you_mean(value, known) or "SageMaker's instance types look like ml.g6.2xlarge"
    return Mistake(f"{value!r} is not an instance type of the catalogue", right)


InstanceType = Annotated[str, Checked(_check_instance_type, {"enum": list(catalogue.instances())})]
Alias = Annotated[str, matching(r"[^\s\x00-\x1f](.{0,254}[^\s])?", "a name of up to 256 characters")]


class Capacity(Section):
    """How many instances serve the model."""

    min: int = Field(default=1, ge=1)
    """The least number of instances."""
    max: int = Field(default=1, ge=1)
    """The greatest number of instances; with more than `min`, SageMaker scales."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise Mistake(f"min {self.min} is more than max {self.max}", "lower min or raise max").error()
        return self


class Model(Section):
    """One model: where its weights come from, how it is served, on what."""

    serving: Serving
    """The engine and its settings."""
    source: Source
    """Where the weights come from: exactly one of package, path, s3, hub and server."""
    instance_type: InstanceType = Field(examples=["ml.g6.2xlarge"])
    """SageMaker's instance type."""
    capacity: Capacity = Capacity()
    """How many instances serve the model."""
    startup_timeout_seconds: int = Field(default=600, ge=60, le=3600)
    """How long the container may take until it answers; loading large weights takes minutes."""
    aliases: tuple[Alias, ...] = ()
    """Further names under which the API offers the model."""
