"""A model of the environment file: one SageMaker endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from toolkit.environment.aws_types import InstanceType, KmsKeyArn
from toolkit.environment.base import ConfigModel, Invalid, matching
from toolkit.environment.capacity import Capacity
from toolkit.environment.endpoint import (
    Async,
    AsyncEndpoint,
    DataCapture,
    Endpoint,
    Serverless,
    ServerlessEndpoint,
    Vpc,
)
from toolkit.environment.problems import KeyPath
from toolkit.environment.rollout import Rollout, default_rollout
from toolkit.environment.serving import Serving
from toolkit.environment.sources import HubSource, PackageSource, PathSource, Source

# Lambda takes no larger event, and SageMaker no larger request.
_MAX_BODY_BYTES = 6 * 1024 * 1024


class Limits(ConfigModel):
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
            reason = f"max_tokens_default {default} is more than max_tokens_ceiling {ceiling}"
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


# What SageMaker's console calls the only variant of an endpoint.
ONLY_VARIANT = "AllTraffic"
SHADOW = "Shadow"

# As botocore's VariantName.
VariantName = Annotated[
    str, matching(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "use up to 63 letters, digits and inner hyphens")
]


class Variant(ConfigModel):
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


class Shadow(ConfigModel):
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
class ResolvedVariant:
    """One variant of a model with all defaults filled in.

    Attributes:
        model: the model's name.
        variant: the variant's name.
        weight: its share of the traffic, relative to the other variants.
        serving: the engine and its settings.
        source: source of the weights; None if the image contains them.
        instance_type: SageMaker instance type; None if serverless.
        capacity: number of instances.
        base: key below the model that configures the variant; empty for the model itself.
        own: keys set there; all others come from the model.
    """

    model: str
    variant: str
    weight: float
    serving: Serving
    source: Source | None
    instance_type: str | None
    capacity: Capacity
    base: KeyPath
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
        """The key path of a setting in the file."""
        base = self.base if keys and keys[0] in self.own else ()
        return ("models", self.model, *base, *keys)


ModelName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "use lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
    ),
]
Alias = Annotated[str, matching(r"[^\s\x00-\x1f](.{0,254}[^\s])?", "a name of up to 256 characters")]
# What `checks` says of keys that are needed or not, for editors.
_NEEDED: list[JsonValue] = [
    {
        "if": {"properties": {"serving": {"properties": {"engine": {"const": "custom"}}}}},
        "else": {"required": ["source"]},
    },
    {
        "if": {
            "properties": {"endpoint": {"type": "object", "required": ["serverless"]}},
            "required": ["endpoint"],
        },
        "then": {"properties": {"instance_type": False}},
        "else": {"required": ["instance_type"]},
    },
]
Timeout = Annotated[int, Field(ge=60, le=3600)]


class Model(ConfigModel):
    """One model: where its weights come from, how it is served, on what."""

    model_config = ConfigDict(json_schema_extra={"allOf": _NEEDED})

    serving: Serving
    """The engine and its settings."""
    source: Source | None = None
    """Where the weights come from: exactly one of package, path, s3, hub and server. Only the image of
    `engine: custom` may bring its weights along."""
    endpoint: Endpoint = "realtime"
    """`realtime` on instances, `serverless: {…}` or `async: {…}`."""
    instance_type: InstanceType | None = Field(default=None, examples=["ml.g6.2xlarge"])
    """SageMaker's instance type; needed, except for serverless endpoints."""
    capacity: Capacity = Capacity()
    """How many instances serve the model."""
    startup_timeout_seconds: Timeout = 600
    """How long the container may take until it answers; loading large weights takes minutes."""
    download_timeout_seconds: Timeout | None = None
    """How long the weights' way from S3 to an instance may take; by default as long as the start."""
    variants: dict[VariantName, Variant] = Field(default={}, max_length=10)
    """Several ways of serving it, by name, that share the traffic; by default one, called AllTraffic."""
    shadow: Shadow | None = None
    """A copy of requests for something new, whose answers nobody sees."""
    rollout: Rollout | None = None
    """How a new release takes over. By default as a canary, watched by an alarm, where there are always two
    instances or more; else all at once."""
    routing: Literal["least_outstanding_requests", "random"] = "least_outstanding_requests"
    """Which instance gets a request: the one with the fewest in progress, or any."""
    kms_key_arn: KmsKeyArn | None = None
    """Key for the instances' storage volumes; local NVMe disks have a key of their own."""
    vpc: Vpc | None = None
    """Where in a network of your own the containers are; by default in SageMaker's."""
    data_capture: DataCapture | None = None
    """Keeps requests and answers in S3; by default nothing is kept."""
    aliases: tuple[Alias, ...] = ()
    """Further names under which the API offers the model."""
    limits: Limits = Limits()
    """What the API lets clients ask of it."""
    fallback: ModelName | None = None
    """Model that the API asks instead while this one has no capacity, until the first word of an answer."""

    @property
    def serverless(self) -> Serverless | None:
        """Settings of a serverless endpoint, if it is one."""
        return self.endpoint.serverless if isinstance(self.endpoint, ServerlessEndpoint) else None

    @property
    def asynchronous(self) -> Async | None:
        """Settings of an asynchronous endpoint, if it is one."""
        return self.endpoint.asynchronous if isinstance(self.endpoint, AsyncEndpoint) else None

    @property
    def endpoint_type(self) -> Literal["realtime", "serverless", "async"]:
        """The kind of endpoint."""
        return "serverless" if self.serverless else "async" if self.asynchronous else "realtime"

    def resolved_variants(self, name: str) -> Mapping[str, ResolvedVariant]:
        """The production variants by name, with the model's settings as their defaults.

        Args:
            name: the model's name.
        """
        if not self.variants:
            return {ONLY_VARIANT: self._resolve(name, ONLY_VARIANT, None)}
        return {key: self._resolve(name, key, variant) for key, variant in self.variants.items()}

    def resolved_shadow(self, name: str) -> ResolvedVariant | None:
        """The shadow variant, with the model's settings as its defaults; None if there is none.

        Args:
            name: the model's name.
        """
        return None if self.shadow is None else self._resolve(name, SHADOW, self.shadow)

    def all_resolved(self, name: str) -> list[ResolvedVariant]:
        """The production variants, then the shadow variant.

        Args:
            name: the model's name.
        """
        shadow = self.resolved_shadow(name)
        return [*self.resolved_variants(name).values(), *([] if shadow is None else [shadow])]

    @property
    def rollout_in_effect(self) -> Rollout | None:
        """The rollout strategy; None for a serverless endpoint without one, where SageMaker decides."""
        if self.serverless is not None or self.rollout is not None:
            return self.rollout
        return default_rollout(min(variant.capacity.least for variant in self.resolved_variants("").values()))

    def _resolve(self, model: str, name: str, variant: Variant | Shadow | None) -> ResolvedVariant:
        keys = ("serving", "source", "instance_type", "capacity")
        own = {key for key in keys if getattr(variant, key, None) is not None}
        settings = {key: getattr(variant if key in own else self, key) for key in keys}
        base: KeyPath = () if variant is None else ("variants", name)
        if isinstance(variant, Shadow):
            settings["capacity"] = Capacity(min=variant.instance_count, max=variant.instance_count)
            base = ("shadow",)
        weight = variant.weight if isinstance(variant, Variant) else 1.0
        return ResolvedVariant(model, name, weight, **settings, base=base, own=frozenset(own))
