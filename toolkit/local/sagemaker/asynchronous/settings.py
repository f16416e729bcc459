"""What an endpoint configuration says about asynchronous inference."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.local.sagemaker.endpoint import Endpoint
from toolkit.local.sagemaker.store import Members

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
