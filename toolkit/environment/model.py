"""The sections below `models`: one SageMaker endpoint per model."""

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
from toolkit.environment.expectations import Expectation, Objectives, Task
from toolkit.environment.problems import KeyPath
from toolkit.environment.rollout import Rollout, default_rollout
from toolkit.environment.serving import CatalogueServing, Serving
from toolkit.environment.sources import HubSource, PackageSource, PathSource, ServerSource, Source
from toolkit.serving import catalogue
from toolkit.serving.catalogue import Image
from toolkit.serving.engines import ENGINES, inference_ami_version
from toolkit.serving.operations import OPERATIONS, Operation

# Limit of Lambda events and of SageMaker requests.
_MAX_BODY_BYTES = 6 * 1024 * 1024


class Limits(ConfigModel):
    """Limits of requests to the model through the API."""

    max_tokens_default: int | None = Field(default=None, ge=1, examples=[1024])
    """Default of `max_tokens` in requests; by default the ceiling, otherwise the default of the engine."""
    max_tokens_ceiling: int | None = Field(default=None, ge=1, examples=[4096])
    """Maximum of `max_tokens`, above which requests are rejected; by default the limit of the engine."""
    body_bytes: int | None = Field(default=None, ge=1, le=_MAX_BODY_BYTES, examples=[1048576])
    """Maximum size of a request in bytes; by default SageMaker's limit, 6 MiB, or 4 MiB if serverless."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        default, ceiling = self.max_tokens_default, self.max_tokens_ceiling
        if default is not None and ceiling is not None and default > ceiling:
            reason = f"max_tokens_default {default} is more than max_tokens_ceiling {ceiling}"
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


# A dollar per token: bounds keep sums finite.
PerMillion = Annotated[float, Field(ge=0, le=1_000_000)]


class Price(ConfigModel):
    """Price of the model's tokens, which you set: AWS bills instances, not tokens."""

    input_per_million: PerMillion = Field(examples=[0.2])
    """US dollars per million tokens of prompts."""
    output_per_million: PerMillion = Field(examples=[0.6])
    """US dollars per million generated tokens; 0 for embeddings."""


# Name that the SageMaker console gives to the only variant of an endpoint.
ONLY_VARIANT = "AllTraffic"
SHADOW = "Shadow"

# As VariantName in botocore.
VariantName = Annotated[
    str, matching(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "use up to 63 letters, digits and inner hyphens")
]


class Variant(ConfigModel):
    """A production variant. Settings that are not set here come from the model."""

    weight: float = Field(default=1, ge=0)
    """Share of the traffic, relative to the weights of the other variants."""
    instance_type: InstanceType | None = None
    """Overrides that of the model."""
    capacity: Capacity | None = None
    """Overrides that of the model."""
    serving: Serving | None = None
    """Overrides that of the model as a whole."""
    source: Source | None = None
    """Overrides that of the model."""


class Shadow(ConfigModel):
    """A shadow variant, which gets copies of requests and whose responses are discarded.

    Settings that are not set here come from the model.
    """

    sampling_percent: float = Field(gt=0, le=100, examples=[10])
    """Share of the requests to copy in percent."""
    instance_type: InstanceType | None = None
    """Overrides that of the model."""
    instance_count: int = Field(default=1, ge=1)
    """Number of instances."""
    serving: Serving | None = None
    """Overrides that of the model as a whole."""
    source: Source | None = None
    """Overrides that of the model."""


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
        """Name of its weights: that of the model, or `model/variant` if the variant has its own source."""
        return f"{self.model}/{self.variant}" if "source" in self.own else self.model

    @property
    def is_staged(self) -> bool:
        """Whether the toolkit stages its weights in the model store."""
        source = self.source
        return isinstance(source, PackageSource | PathSource) or (
            isinstance(source, HubSource) and source.staged
        )

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations of the API that it serves; a server on this machine may be any engine."""
        return OPERATIONS if isinstance(self.source, ServerSource) else self.serving.operations()

    def image(self, region: str) -> Image:
        """The container image.

        Raises:
            NotInCatalogueError: AWS publishes no image for this region and instance type.
        """
        serving = self.serving
        if isinstance(serving, CatalogueServing) and serving.image is None:
            return catalogue.resolve(self.engine, serving.version, region, self.instance_type)
        return catalogue.own_image(self.engine, str(serving.image), catalogue.hardware(self.instance_type))

    def inference_ami_version(self, image: Image) -> str | None:
        """The inference AMI; None is the default of SageMaker."""
        if self.serving.inference_ami_version is not None or isinstance(self.source, ServerSource):
            return self.serving.inference_ami_version
        return inference_ami_version(ENGINES[self.engine], image, catalogue.hardware(self.instance_type))

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
Alias = Annotated[str, matching(r"[^\s\x00-\x1f](.{0,254}[^\s])?", "use a name of up to 256 characters")]
# Required keys as in `checks`, for editors.
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
    """A model: its weights, its serving engine and its endpoint."""

    model_config = ConfigDict(json_schema_extra={"allOf": _NEEDED})

    serving: Serving
    """Serving engine and its settings."""
    source: Source | None = None
    """Source of the weights: exactly one of package, path, s3, hub and server. Only `engine: custom` can do
    without, if its image contains the weights."""
    endpoint: Endpoint = "realtime"
    """Endpoint type: `realtime`, `serverless: {…}` or `async: {…}`."""
    instance_type: InstanceType | None = Field(default=None, examples=["ml.g6.2xlarge"])
    """SageMaker instance type; required except for serverless endpoints."""
    volume_size_gb: int | None = Field(default=None, ge=1, le=512, examples=[100])
    """Size of the storage volume for the weights, on instances without local NVMe disks. By default 30 GB, or
    more for larger weights if their size is known (`package` and `path`)."""
    capacity: Capacity = Capacity()
    """Number of instances of the model."""
    startup_timeout_seconds: Timeout = 600
    """Timeout of the container start in seconds; loading large weights takes minutes."""
    download_timeout_seconds: Timeout | None = None
    """Timeout of the download of the weights from S3 in seconds; by default that of the start."""
    variants: dict[VariantName, Variant] = Field(default={}, max_length=10)
    """Production variants by name, which share the traffic; by default one, named AllTraffic."""
    shadow: Shadow | None = None
    """Shadow variant, which gets copies of requests and whose responses are discarded."""
    rollout: Rollout | None = None
    """Rollout strategy of new releases. By default a canary with an alarm if the model always has at least
    two instances, otherwise all at once."""
    routing: Literal["least_outstanding_requests", "random", "kv_aware", "prefix_aware"] = (
        "least_outstanding_requests"
    )
    """Routing of requests to instances: to the one with the fewest requests in progress, at random, or to one
    that has the start of the prompt in its cache, which depends on the AWS provider."""
    kms_key_arn: KmsKeyArn | None = None
    """KMS key of the storage volumes of instances; local NVMe disks are encrypted with their own keys."""
    vpc: Vpc | None = None
    """VPC of the containers; by default the network of SageMaker."""
    data_capture: DataCapture | None = None
    """Stores requests and responses in S3; by default nothing is stored."""
    aliases: tuple[Alias, ...] = ()
    """Further names of the model in the API."""
    limits: Limits = Limits()
    """Limits of requests to the model through the API."""
    price: Price | None = None
    """Price of the model's tokens; by default unknown."""
    fallback: ModelName | None = None
    """Model that serves requests while this one has no capacity, as long as no token has been sent."""
    expectations: tuple[Expectation, ...] = ()
    """Expectations of the model's answers, which the smoke test judges."""
    objectives: Objectives | None = None
    """Objectives of the model's latency, which the smoke test judges."""

    @property
    def serverless(self) -> Serverless | None:
        """Settings of a serverless endpoint; None for other types."""
        return self.endpoint.serverless if isinstance(self.endpoint, ServerlessEndpoint) else None

    @property
    def asynchronous(self) -> Async | None:
        """Settings of an asynchronous endpoint; None for other types."""
        return self.endpoint.asynchronous if isinstance(self.endpoint, AsyncEndpoint) else None

    @property
    def endpoint_type(self) -> Literal["realtime", "serverless", "async"]:
        """Type of the endpoint."""
        return "serverless" if self.serverless else "async" if self.asynchronous else "realtime"

    @property
    def dialect(self) -> str:
        """API of the container, as the gateway calls it; a server on this machine may be any engine."""
        return "openai" if isinstance(self.source, ServerSource) else ENGINES[self.serving.engine].dialect

    @property
    def capabilities(self) -> list[str]:
        """Tasks of the model besides text: see `Serving`; a server on this machine may be any engine."""
        return [] if isinstance(self.source, ServerSource) else self.serving.capabilities()

    @property
    def operations(self) -> list[str] | None:
        """The operations of the API that all production variants serve; None if these are all."""
        variants = self.resolved_variants("").values()
        served = {*OPERATIONS}.intersection(*(variant.operations for variant in variants))
        return None if served == {*OPERATIONS} else [name for name in OPERATIONS if name in served]

    @property
    def chats(self) -> bool:
        """Whether the API serves chats with the model."""
        other_tasks = {"embeddings", "rerank"} & {*self.capabilities}
        can_chat = self.operations is None or "chat" in self.operations
        return self.asynchronous is None and can_chat and not other_tasks

    def supports(self, task: Task) -> bool:
        """Whether the model has a task; a custom container may have any."""
        if self.serving.engine == "custom" or isinstance(self.source, ServerSource):
            return True
        embeds = "embeddings" in self.capabilities or (self.dialect == "tei" and not self.capabilities)
        return self.chats if task == "text" else embeds

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
