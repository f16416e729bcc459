"""What SNS topics are told of asynchronous inference."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from toolkit.local.sagemaker.asynchronous.request import AsyncRequest
from toolkit.local.sagemaker.invocation import Whole

# A larger answer is left out.
MAX_RESPONSE_BYTES = 128 * 1024


@dataclass(frozen=True)
class Notification:
    """A message about a request.

    Attributes:
        request: what it is about.
        endpoint: the endpoint's name.
        region: the endpoint's.
        with_response: whether the topic wants what the container said.
    """

    request: AsyncRequest
    endpoint: str
    region: str
    with_response: bool

    def success(self, answer: Whole) -> str:
        """The message about an answer."""
        response = {"contentType": answer.headers["content-type"], "outputLocation": self.request.output_uri}
        return self._message("Completed", answer.body, responseParameters=response)

    def failure(self, reason: str, response: bytes) -> str:
        """The message about a failure.

        Args:
            reason: in SageMaker's words.
            response: what the container said.
        """
        location = self.request.failure_uri
        parameters = {"responseParameters": {"outputLocation": location}} if location else {}
        return self._message("Failed", response, failureReason=reason, **parameters)

    def _message(self, status: str, response: bytes, **outcome: object) -> str:
        request = self.request
        parameters = {
            "endpointName": self.endpoint,
            "inputLocation": request.input_uri,
            "contentType": request.content_type,
        }
        message = {
            "awsRegion": self.region,
            "eventTime": _timestamp(time.time()),
            "receivedTime": _timestamp(request.received),
            "invocationStatus": status,
            "requestParameters": {name: value for name, value in parameters.items() if value},
            **outcome,
            "inferenceId": request.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        return json.dumps(message | (_body(response) if self.with_response else {}))


def _body(content: bytes) -> dict[str, object]:
    if len(content) > MAX_RESPONSE_BYTES:
        return {}
    return {"responseBody": {"content": base64.b64encode(content).decode(), "encoding": "BASE64"}}


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
