"""A model of the environment file: one SageMaker endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from toolkit.environment.aws import KmsKeyArn
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
from toolkit.environment.hardware import InstanceType
from toolkit.environment.limits import Limits
from toolkit.environment.problems import KeyPath
from toolkit.environment.rollout import Rollout, default_rollout
from toolkit.environment.section import Section, matching
from toolkit.environment.serving import Serving
from toolkit.environment.sources import Source
from toolkit.environment.variants import ONLY_VARIANT, SHADOW, Hosting, Shadow, Variant, VariantName

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


class Model(Section):
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

    def hostings(self, name: str) -> Mapping[str, Hosting]:
        """What runs as each production variant.

        Args:
            name: the model's name.
        """
        if not self.variants:
            return {ONLY_VARIANT: self._hosting(name, ONLY_VARIANT, None)}
        return {variant: self._hosting(name, variant, given) for variant, given in self.variants.items()}

    def shadow_hosting(self, name: str) -> Hosting | None:
        """What runs as the shadow variant, if there is one.

        Args:
            name: the model's name.
        """
        return None if self.shadow is None else self._hosting(name, SHADOW, self.shadow)

    @property
    def rollout_in_effect(self) -> Rollout | None:
        """How a new release takes over; None for serverless endpoints, where SageMaker alone decides."""
        if self.serverless is not None or self.rollout is not None:
            return self.rollout
        return default_rollout(min(hosting.capacity.least for hosting in self.hostings("").values()))

    def _hosting(self, name: str, variant: str, given: Variant | Shadow | None) -> Hosting:
        keys = ("serving", "source", "instance_type", "capacity")
        own = {key for key in keys if getattr(given, key, None) is not None}
        chosen = {key: getattr(given if key in own else self, key) for key in keys}
        if isinstance(given, Shadow):
            chosen["capacity"] = Capacity(min=given.instance_count, max=given.instance_count)
            place: KeyPath = ("shadow",)
        else:
            place = () if given is None else ("variants", variant)
        weight = given.weight if isinstance(given, Variant) else 1.0
        return Hosting(model=name, variant=variant, weight=weight, place=place, own=frozenset(own), **chosen)
