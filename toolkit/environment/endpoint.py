"""What kind of endpoint serves a model, and what surrounds it.

Limits are those of SageMaker's service model, as botocore carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from toolkit.environment.aws_types import KmsKeyArn, S3Prefix, SecurityGroupId, SubnetId, TopicArn
from toolkit.environment.base import Checked, ConfigModel, Invalid

MAX_CONCURRENCY = 200  # ServerlessMaxConcurrency
_GIBIBYTE = 1024


def _check_memory(value: int) -> Invalid | None:
    if value % _GIBIBYTE == 0:
        return None
    lower = value // _GIBIBYTE * _GIBIBYTE
    return Invalid(f"{value} is not a multiple of {_GIBIBYTE}", f"use {lower} or {lower + _GIBIBYTE}")


class Serverless(ConfigModel):
    """Started on demand, paid by the request; on CPUs only."""

    memory_mb: Annotated[int, Checked(_check_memory, {"multipleOf": _GIBIBYTE})] = Field(
        default=4096, ge=1024, le=6144
    )
    """Memory of each copy, in steps of 1024; the weights must fit, and the CPU grows with it."""
    max_concurrency: int = Field(default=5, ge=1, le=MAX_CONCURRENCY)
    """Requests at the same time, each in a copy of its own; more are refused."""
    provisioned_concurrency: int | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)
    """Copies that are kept warm, and paid for all the time; by default none."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        warm = self.provisioned_concurrency
        if warm is not None and warm > self.max_concurrency:
            reason = f"provisioned_concurrency {warm} is more than max_concurrency {self.max_concurrency}"
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


class Async(ConfigModel):
    """Requests wait in a queue and in S3, and answers are put into S3: for what takes minutes."""

    output_s3: S3Prefix | None = Field(
        default=None, examples=["s3://llm-models-123456789012-us-east-1/answers/"]
    )
    """S3 prefix of the answers; by default `<model>/async/` in the model store."""
    failure_s3: S3Prefix | None = None
    """S3 prefix of what failed; by default the errors lie beside the answers."""
    success_topic_arn: TopicArn | None = None
    """SNS topic that is told of each answer."""
    error_topic_arn: TopicArn | None = None
    """SNS topic that is told of each failure."""
    max_concurrent_invocations: int | None = Field(default=None, ge=1, le=1000)
    """Requests that one instance works on at the same time; by default SageMaker chooses."""
    scale_to_zero: bool = True
    """Whether all instances go while no request waits; the next one then waits until an instance is there."""


class ServerlessEndpoint(ConfigModel):
    """A serverless endpoint."""

    serverless: Serverless
    """Started on demand, paid by the request; on CPUs only."""


class AsyncEndpoint(ConfigModel):
    """An asynchronous endpoint."""

    asynchronous: Async = Field(alias="async")
    """Requests wait in a queue and in S3, and answers are put into S3: for what takes minutes."""


def _check_realtime(value: object) -> Invalid | None:
    if value == "realtime":
        return None
    remedy = "use realtime, or a mapping as in `serverless: {memory_mb: 4096}` or `async: {}`"
    return Invalid(f"{value!r} is not a kind of endpoint by itself", remedy)


def _discriminate(value: Any) -> str | None:
    if isinstance(value, ConfigModel):
        return "serverless" if isinstance(value, ServerlessEndpoint) else "async"
    if not isinstance(value, Mapping):
        return "realtime"
    given = [kind for kind in ("serverless", "async") if kind in value]
    return given[0] if len(given) == 1 else None


Endpoint = Annotated[
    Annotated[Annotated[str, Checked(_check_realtime, {"const": "realtime"})], Tag("realtime")]
    | Annotated[ServerlessEndpoint, Tag("serverless")]
    | Annotated[AsyncEndpoint, Tag("async")],
    Discriminator(_discriminate),
]


class Vpc(ConfigModel):
    """Where in a network of your own the containers are: what they may reach is then decided there."""

    subnet_ids: Annotated[tuple[SubnetId, ...], Field(min_length=1, max_length=16)]
    """Subnets, best in two availability zones or more."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)]
    """Security groups."""


class DataCapture(ConfigModel):
    """Requests and answers are kept in S3, word for word: mind what people write."""

    percent: int = Field(ge=1, le=100, examples=[10])
    """Share of the requests."""
    s3_uri: S3Prefix | None = None
    """S3 prefix they are put under; by default `<model>/data-capture/` in the model store."""
    kms_key_arn: KmsKeyArn | None = None
    """Key that they are encrypted with; by default the bucket's own."""
