"""One asynchronous request, as InvokeEndpointAsync takes it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from toolkit.local import upstream
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.asynchronous.settings import AsyncSettings
from toolkit.local.sagemaker.invocation import CUSTOM_ATTRIBUTES
from toolkit.local.sagemaker.store import Members

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
