"""Kind of a model's endpoint, its network and data capture.

Limits come from SageMaker's service model in botocore.
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
    """Serverless endpoint: started on demand, paid per request, CPU only."""

    memory_mb: Annotated[int, Checked(_check_memory, {"multipleOf": _GIBIBYTE})] = Field(
        default=4096, ge=1024, le=6144
    )
    """Memory of an instance in MB, in steps of 1024. It must hold the weights; CPU is proportional to it."""
    max_concurrency: int = Field(default=5, ge=1, le=MAX_CONCURRENCY)
    """Maximum number of concurrent requests; SageMaker rejects further ones."""
    provisioned_concurrency: int | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)
    """Number of instances that are kept warm, and billed all the time; by default none."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        provisioned = self.provisioned_concurrency
        if provisioned is not None and provisioned > self.max_concurrency:
            reason = (
                f"provisioned_concurrency {provisioned} is more than max_concurrency {self.max_concurrency}"
            )
            raise Invalid(reason, "lower the first or raise the second").error()
        return self


class Async(ConfigModel):
    """Asynchronous endpoint for long requests: they are queued, and responses are written to S3."""

    output_s3: S3Prefix | None = Field(
        default=None, examples=["s3://llm-models-123456789012-us-east-1/answers/"]
    )
    """S3 prefix of the responses; by default `<model>/async/` in the model store."""
    failure_s3: S3Prefix | None = None
    """S3 prefix of the errors; by default that of the responses."""
    success_topic_arn: TopicArn | None = None
    """SNS topic for completed requests."""
    error_topic_arn: TopicArn | None = None
    """SNS topic for failed requests."""
    max_concurrent_invocations: int | None = Field(default=None, ge=1, le=1000)
    """Concurrent requests per instance; by default SageMaker chooses."""
    scale_to_zero: bool = True
    """Whether to remove all instances while the queue is empty; the next request then waits for a new one."""


class ServerlessEndpoint(ConfigModel):
    """A serverless endpoint."""

    serverless: Serverless
    """Serverless endpoint: started on demand, paid per request, CPU only."""


class AsyncEndpoint(ConfigModel):
    """An asynchronous endpoint."""

    asynchronous: Async = Field(alias="async")
    """Asynchronous endpoint for long requests: they are queued, and responses are written to S3."""


def _check_realtime(value: object) -> Invalid | None:
    if value == "realtime":
        return None
    remedy = "use realtime, or a mapping as in `serverless: {memory_mb: 4096}` or `async: {}`"
    return Invalid(f"{value!r} is not an endpoint type", remedy)


def _discriminate(value: Any) -> str | None:
    if isinstance(value, ConfigModel):
        return "serverless" if isinstance(value, ServerlessEndpoint) else "async"
    if not isinstance(value, Mapping):
        return "realtime"
    kinds = [kind for kind in ("serverless", "async") if kind in value]
    return kinds[0] if len(kinds) == 1 else None


Endpoint = Annotated[
    Annotated[Annotated[str, Checked(_check_realtime, {"const": "realtime"})], Tag("realtime")]
    | Annotated[ServerlessEndpoint, Tag("serverless")]
    | Annotated[AsyncEndpoint, Tag("async")],
    Discriminator(_discriminate),
]


class Vpc(ConfigModel):
    """VPC of the containers, which controls their network access."""

    subnet_ids: Annotated[tuple[SubnetId, ...], Field(min_length=1, max_length=16)]
    """Subnets, preferably in at least two availability zones."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)]
    """Security groups."""


class DataCapture(ConfigModel):
    """Stores requests and responses in S3 in full, including personal data in them."""

    percent: int = Field(ge=1, le=100, examples=[10])
    """Share of the captured requests in percent."""
    s3_uri: S3Prefix | None = None
    """S3 prefix of the captured data; by default `<model>/data-capture/` in the model store."""
    kms_key_arn: KmsKeyArn | None = None
    """KMS key of the captured data; by default the key of the bucket."""
