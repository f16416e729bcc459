"""What an endpoint configuration says about asynchronous inference."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from toolkit.local import upstream
from toolkit.local.awsapi import ApiError, Members
from toolkit.local.sagemaker.invocation import CUSTOM_ATTRIBUTES
from toolkit.local.sagemaker.models import Endpoint

# SageMaker chooses if nothing is said, and does not tell how; llama.cpp works on so many requests at once.
DEFAULT_CONCURRENCY = 4


@dataclass(frozen=True)
class AsyncSettings:
    """An AsyncInferenceConfig.

    Attributes:
        output_uri: S3 prefix of answers, without a slash at its end.
        failure_uri: S3 prefix of failures; without one they are only announced.
        kms_key: that answers and failures are encrypted with.
        success_topic: SNS topic that is told of each answer.
        error_topic: SNS topic that is told of each failure.
        response_in: `SUCCESS_NOTIFICATION_TOPIC`, `ERROR_NOTIFICATION_TOPIC`, both or none: the
            notifications that hold the container's answer, if it is small.
        concurrency: requests that an instance works on at the same time.
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
    """The settings that an endpoint serves with; None if it is not asynchronous, or does not serve yet."""
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
        inference_id: of the caller's choice, or made up.
        input_uri: where the body is; None if the caller sent it along.
        body: what the caller sent along.
        headers: for the container.
        content_type: of the body.
        output_uri: where the answer goes.
        failure_uri: where a failure goes, if anywhere.
        ttl_seconds: how long it may wait, in seconds of AWS.
        invocation_seconds: how long an instance may work on it.
        received: seconds since the epoch.
        attempts: how often an instance has begun to work on it.
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
        """Take a request.

        Args:
            members: of the operation's input, checked, without the body.
            body: what was sent along.
            settings: of the endpoint.

        Raises:
            ApiError: it has a body and the place of one, or neither, or too large a body.
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
    named = {
        "content-type": members.get("ContentType"),
        "accept": members.get("Accept", "*/*"),
        CUSTOM_ATTRIBUTES: members.get("CustomAttributes"),
        "x-amzn-sagemaker-inference-id": members.get("InferenceId"),
    }
    return [(name, value) for name, value in named.items() if value]
