"""An endpoint's AsyncInferenceConfig, and one asynchronous request."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from toolkit.local import upstream
from toolkit.local.awsapi import ApiError, Members
from toolkit.local.sagemaker.invocation import CUSTOM_ATTRIBUTES
from toolkit.local.sagemaker.models import Endpoint

# SageMaker does not document its default; llama.cpp handles four requests at once.
DEFAULT_CONCURRENCY = 4


@dataclass(frozen=True)
class AsyncSettings:
    """An AsyncInferenceConfig.

    Attributes:
        output_uri: S3 prefix of responses, without a trailing slash.
        failure_uri: S3 prefix of failures; None if failures are only notified.
        kms_key: encrypts responses and failures.
        success_topic: SNS topic of successes.
        error_topic: SNS topic of failures.
        response_in: `SUCCESS_NOTIFICATION_TOPIC`, `ERROR_NOTIFICATION_TOPIC`, both or none: the
            notifications that include a small response body.
        concurrency: concurrent requests per instance.
    """

    output_uri: str
    failure_uri: str | None = None
    kms_key: str | None = None
    success_topic: str | None = None
    error_topic: str | None = None
    response_in: frozenset[str] = frozenset()
    concurrency: int = DEFAULT_CONCURRENCY

    @classmethod
    def of(cls, config: Members) -> AsyncSettings:
        """Read an AsyncInferenceConfig."""
        output = config["OutputConfig"]
        notification = output.get("NotificationConfig", {})
        failure = output.get("S3FailurePath")
        client = config.get("ClientConfig", {})
        return cls(
            output_uri=output.get("S3OutputPath", "").rstrip("/"),
            failure_uri=failure.rstrip("/") if failure else None,
            kms_key=output.get("KmsKeyId"),
            success_topic=notification.get("SuccessTopic") or None,
            error_topic=notification.get("ErrorTopic") or None,
            response_in=frozenset(notification.get("IncludeInferenceResponseIn", [])),
            concurrency=client.get("MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENCY),
        )


def settings_of(endpoint: Endpoint) -> AsyncSettings | None:
    """The endpoint's current settings; None if it is not asynchronous or not in service yet."""
    fleets = endpoint.traffic.fleets
    config = fleets[-1].definition.get("AsyncInferenceConfig") if fleets else None
    return AsyncSettings.of(config) if config else None


DEFAULT_TTL_SECONDS = 21_600
DEFAULT_INVOCATION_SECONDS = 900
MAX_INLINE_BYTES = 128_000


@dataclass
class AsyncRequest:
    """A request in a queue.

    Attributes:
        inference_id: chosen by the client, or generated.
        input_uri: S3 URI of the body; None for an inline body.
        body: the inline body.
        headers: the container's request headers.
        content_type: of the body.
        output_uri: S3 URI for the response.
        failure_uri: S3 URI for a failure, if failures are stored.
        ttl_seconds: maximum time in the queue, in seconds on AWS.
        invocation_seconds: time limit of the invocation.
        received: seconds since the epoch.
        attempts: the number of started invocations.
    """

    inference_id: str
    input_uri: str | None
    body: bytes
    headers: list[upstream.Header]
    content_type: str
    output_uri: str
    failure_uri: str | None
    ttl_seconds: int
    invocation_seconds: int
    received: float = field(default_factory=time.time)
    attempts: int = 0

    @property
    def age(self) -> float:
        """Seconds since it was received."""
        return time.time() - self.received

    @classmethod
    def of(cls, members: Members, body: bytes, settings: AsyncSettings) -> AsyncRequest:
        """Create a request from the checked members of InvokeEndpointAsync.

        Args:
            members: the members without the body.
            body: the inline body.
            settings: the endpoint's settings.

        Raises:
            ApiError: not exactly one of body and InputLocation, or too large a body.
        """
        location = members.get("InputLocation")
        if bool(body) == bool(location):
            raise ApiError("ValidationError", "Exactly one of Body and InputLocation must be provided.")
        if len(body) > MAX_INLINE_BYTES:
            message = "1 validation error detected: Value at 'body' failed to satisfy constraint: Member "
            message += f"must have length less than or equal to {MAX_INLINE_BYTES}"
            raise ApiError("ValidationError", message)
        name = str(uuid.uuid4())
        folder = "/".join(
            filter(None, [settings.output_uri, members.get("S3OutputPathExtension", "").strip("/")])
        )
        return cls(
            inference_id=members.get("InferenceId") or str(uuid.uuid4()),
            input_uri=location,
            body=body,
            headers=_headers(members),
            content_type=members.get("ContentType", ""),
            output_uri=f"{folder}/{members.get('Filename') or f'{name}.out'}",
            failure_uri=f"{settings.failure_uri}/{name}-error.out" if settings.failure_uri else None,
            ttl_seconds=members.get("RequestTTLSeconds", DEFAULT_TTL_SECONDS),
            invocation_seconds=members.get("InvocationTimeoutSeconds", DEFAULT_INVOCATION_SECONDS),
        )


def _headers(members: Members) -> list[upstream.Header]:
    headers = {
        "content-type": members.get("ContentType"),
        "accept": members.get("Accept", "*/*"),
        CUSTOM_ATTRIBUTES: members.get("CustomAttributes"),
        "x-amzn-sagemaker-inference-id": members.get("InferenceId"),
    }
    return [(name, value) for name, value in headers.items() if value]
