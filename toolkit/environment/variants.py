"""Several ways of serving one model side by side, behind one endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from toolkit.environment.capacity import Capacity
from toolkit.environment.hardware import InstanceType
from toolkit.environment.problems import KeyPath
from toolkit.environment.section import Section, matching
from toolkit.environment.serving import Serving
from toolkit.environment.sources import HubSource, PackageSource, PathSource, Source

# What SageMaker's console calls the only variant of an endpoint.
ONLY_VARIANT = "AllTraffic"
SHADOW = "Shadow"

# As botocore's VariantName.
VariantName = Annotated[
    str, matching(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "use up to 63 letters, digits and inner hyphens")
]


class Variant(Section):
    """A part of the traffic. What is not given here is the model's."""

    weight: float = Field(default=1, ge=0)
    """Its share of the traffic, relative to the other variants' weights."""
    instance_type: InstanceType | None = None
    """Instead of the model's."""
    capacity: Capacity | None = None
    """Instead of the model's."""
    serving: Serving | None = None
    """Instead of the model's, as a whole."""
    source: Source | None = None
    """Instead of the model's."""


class Shadow(Section):
    """A copy of requests for something new, whose answers nobody sees.

    What is not given here is the model's.
    """

    sampling_percent: float = Field(gt=0, le=100, examples=[10])
    """Share of the requests that it gets."""
    instance_type: InstanceType | None = None
    """Instead of the model's."""
    instance_count: int = Field(default=1, ge=1)
    """How many instances it runs on."""
    serving: Serving | None = None
    """Instead of the model's, as a whole."""
    source: Source | None = None
    """Instead of the model's."""


@dataclass(frozen=True)
class Hosting:
    """What runs as one variant, with everything decided.

    Attributes:
        model: the model's name.
        variant: the variant's name.
        weight: its share of the traffic, relative to the others.
        serving: the engine and its settings.
        source: where the weights come from; None if the image has them.
        instance_type: what it runs on; None if it is serverless.
        capacity: how many instances.
        place: the key in the file, below the model, that it comes from; empty if from the model itself.
        own: the keys that it has there, and does not take from the model.
    """

    model: str
    variant: str
    weight: float
    serving: Serving
    source: Source | None
    instance_type: str | None
    capacity: Capacity
    place: KeyPath
    own: frozenset[str]

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.serving.engine

    @property
    def weights(self) -> str:
        """What the place of its weights is called: the model, or a part of it that has weights of its own."""
        return f"{self.model}/{self.variant}" if "source" in self.own else self.model

    @property
    def is_staged(self) -> bool:
        """Whether the toolkit puts its weights into the model store."""
        source = self.source
        return isinstance(source, PackageSource | PathSource) or (
            isinstance(source, HubSource) and source.staged
        )

    def path(self, *keys: str) -> KeyPath:
        """Where in the file something of it is decided."""
        place = self.place if keys and keys[0] in self.own else ()
        return ("models", self.model, *place, *keys)
